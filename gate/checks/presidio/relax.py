"""Turns a recogniser's regular expression into one for Rust that matches wherever the original does.

Presidio matches with Python's `regex` module; Polars' Rust engine is some thousand times faster over a column,
but has no look-around and no back-references. A prefilter needs neither: it may match too much, never too
little. So assertions and anchors are dropped, a back-reference becomes the group that it repeats, and every
character class grows until it covers what either engine, in any version of Unicode, may count as a member.
A pattern that is not understood completely has no relaxed form, and its recogniser then runs on every text.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from typing import Any

_parser = import_module("re._parser")
_constants = import_module("re._constants")

# Classes that hold whatever the regex module, Python's re or Rust call a digit, word or white-space character.
# Code points that are not assigned yet (Cn) are in: their next version may make digits or letters of them.
_MEMBERS = {
    "CATEGORY_DIGIT": r"\p{Nd}\p{Cn}",
    "CATEGORY_WORD": r"\w\p{N}\p{Cn}",
    "CATEGORY_SPACE": r"\s\x1c-\x1f\p{Z}",
    # The complements: ASCII by definition, and anything beyond it.
    "CATEGORY_NOT_DIGIT": r"\x00-/:-\x7f[^\x00-\x7f]",
    "CATEGORY_NOT_WORD": r"\x00-/:-@\[-^`{-\x7f[^\x00-\x7f]",
    "CATEGORY_NOT_SPACE": r"\x00-\x08\x0e-\x1f!-\x7f[^\x00-\x7f]",
}
# What is surely inside such a category, so that a negated class may leave it out.
_SURELY = {"CATEGORY_DIGIT": "0-9", "CATEGORY_WORD": "0-9A-Za-z_", "CATEGORY_SPACE": r"\t-\r "}

_FOLDS = {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}
"""Beside its own other case, what an ASCII letter matches when case is ignored (tested over all of Unicode)."""

_POSIX = re.compile(r"\[:\^?\w+:\]")
"""Named classes, which the regex module knows and Python's parser takes for a list of letters."""

_LARGEST = 16
"""Counts above this one are relaxed to it: a longer run contains a shorter one, and the automaton stays small."""


class NotRelaxable(Exception):
    """The pattern has a construct whose relaxed form is not known."""


def relaxed(pattern: str, flags: int) -> str | None:
    """A Rust regex that is found in every text in which `pattern` is found, or None where there is no safe one.

    Args:
        pattern: as Presidio hands it to the `regex` module.
        flags: DOTALL, MULTILINE, IGNORECASE, as numbers of `re` (the `regex` module shares them).
    """
    if _POSIX.search(pattern) or flags & ~(re.DOTALL | re.MULTILINE | re.IGNORECASE | re.UNICODE):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set": the regex module does not nest them either
            tree = _parser.parse(pattern, flags)
        return _Relaxer(tree.state.flags).sequence(tree)
    except (re.error, NotRelaxable, RecursionError):
        return None


class _Relaxer:
    """Walks the syntax tree of one pattern. Trees are untyped: `re._parser` has no public types, hence Any."""

    def __init__(self, flags: int) -> None:
        self.ignore_case = bool(flags & re.IGNORECASE)
        self.dot_all = bool(flags & re.DOTALL)
        self.groups: dict[int, str] = {}

    def sequence(self, items: Any) -> str:
        return "".join(self.item(operator, argument) for operator, argument in items)

    def item(self, operator: Any, argument: Any) -> str:
        name = str(operator)
        if name in ("ASSERT", "ASSERT_NOT", "AT"):
            return ""
        if name == "LITERAL":
            if argument == ord("{"):
                raise NotRelaxable  # to the regex module it may open a fuzzy match
            return self.one_of([(operator, argument)])
        if name == "NOT_LITERAL":
            return self.none_of([(_constants.LITERAL, argument)])
        if name == "ANY":
            return "(?s:.)" if self.dot_all else r"[^\n]"
        if name == "IN":
            if str(argument[0][0]) == "NEGATE":
                return self.none_of(argument[1:])
            return self.one_of(argument)
        if name == "BRANCH":
            return "(?:" + "|".join(self.sequence(branch) for branch in argument[1]) + ")"
        if name == "SUBPATTERN":
            group, added, removed, items = argument
            if added or removed:
                raise NotRelaxable  # flags in the middle of a pattern
            body = f"(?:{self.sequence(items)})"
            if group is not None:
                self.groups[group] = body
            return body
        if name == "ATOMIC_GROUP":
            return f"(?:{self.sequence(argument)})"
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self.repeated(*argument)
        if name == "GROUPREF" and argument in self.groups:
            return self.groups[argument]  # what was captured is one of the strings that the group matches
        raise NotRelaxable

    def repeated(self, least: int, most: int, items: Any) -> str:
        body = f"(?:{self.sequence(items)})"
        most = int(most)  # MAXREPEAT is a very large number
        if most > _LARGEST and least > _LARGEST and body != "(?:)":
            return f"{body}{{{_LARGEST},}}"
        return f"{body}{{{least},}}" if most > _LARGEST else f"{body}{{{least},{most}}}"

    def one_of(self, members: Any) -> str:
        """A class that holds every character which one of the members may match."""
        parts: list[str] = []
        for operator, value in members:
            name = str(operator)
            if name == "CATEGORY" and str(value) in _MEMBERS:
                parts.append(_MEMBERS[str(value)])
            elif name in ("LITERAL", "RANGE"):
                low, high = (value, value) if name == "LITERAL" else value
                parts.append(f"{_escaped(low)}-{_escaped(high)}")
                if self.ignore_case:
                    parts.append(_other_cases(low, high))
            else:
                raise NotRelaxable
        return f"[{''.join(parts)}]"

    def none_of(self, members: Any) -> str:
        """A class that leaves out only what every engine leaves out."""
        parts: list[str] = []
        for operator, value in members:
            name = str(operator)
            if name == "LITERAL":
                parts.append(_escaped(value))
            elif name == "RANGE":
                parts.append(f"{_escaped(value[0])}-{_escaped(value[1])}")
            elif name == "CATEGORY" and str(value) in _SURELY:
                parts.append(_SURELY[str(value)])
            elif name != "CATEGORY":
                raise NotRelaxable
        return f"[^{''.join(parts)}]" if parts else "(?s:.)"


def _escaped(code: int) -> str:
    return f"\\x{{{code:x}}}"


def _other_cases(low: int, high: int) -> str:
    """What else a range matches when case is ignored, generously."""
    if high > 0x7F:  # folds are many beyond ASCII: take all of it, and the letters that fold into it
        return r"A-Za-z[^\x00-\x7f]"
    letters = [chr(code) for code in range(low, high + 1) if chr(code).isalpha()]
    return "".join(letter.swapcase() + _FOLDS.get(letter.lower(), "") for letter in letters)
