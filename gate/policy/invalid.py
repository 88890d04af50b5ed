"""Turns what pydantic says about a policy into what its author needs: file, line, key, what was expected, and the
nearest valid key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gate.data.masking import mask_text
from gate.errors import PolicyError
from gate.policy.model import Place, Rule

Location = tuple[int | str, ...]
"""How pydantic names a place: `("rules", 0, "with")`."""

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_LONGEST_VALUE = 60  # characters of a value that are shown


def policy_error(
    error: ValidationError,
    *,
    places: Mapping[str, Place],
    prefix: str,
    valid: Collection[str] | Callable[[Location], Collection[str]],
) -> PolicyError:
    """The first problem (in the order of the file) as an error with its place; further ones are counted.

    Args:
        error: what pydantic found.
        places: where each value was written, by dotted key; `` is the place of the whole.
        prefix: the dotted key under which the validated values stand, such as `with`; `` for the top.
        valid: the keys that there are where a key is unknown, or a function from where it stands to them.
    """
    problems = error.errors(include_url=False)
    located = [(place_of(_key(prefix, problem), places), problem) for problem in problems]
    place, first = min(located, key=lambda each: each[0].line if each[0] else 0)
    others = len(problems) - 1
    more = f"; and {others} more problem{'s' if others > 1 else ''}" if others else ""
    what, remedy = _said(first, _key(prefix, first), places, valid(first["loc"]) if callable(valid) else valid)
    return PolicyError(what + more, where=str(place) if place else None, remedy=remedy)


def unknown_check(rule: Rule, known: Collection[str]) -> PolicyError:
    """A rule that names a check which does not exist."""
    place = rule.places.get("check") or rule.places.get("")
    return PolicyError(
        f"rule {rule.id!r}: there is no check {rule.check!r}",
        where=str(place) if place else None,
        remedy=nearest(rule.check, known, "the checks are"),
    )


def nearest(name: str, known: Collection[str], introduction: str) -> str:
    """What to write instead: the closest known name when one is close, then all of them."""
    listed = ", ".join(sorted(known)) or "none"
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? {introduction} {listed}" if close else f"{introduction} {listed}"


def place_of(key: str, places: Mapping[str, Place]) -> Place | None:
    """The place of a dotted key, or of the nearest thing around it that was written."""
    while key and key not in places:
        key = key.rpartition(".")[0]
    return places.get(key)


def _key(prefix: str, problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in ((prefix,) if prefix else ()) + problem["loc"])


def _said(
    problem: ErrorDetails, key: str, places: Mapping[str, Place], valid: Collection[str]
) -> tuple[str, str | None]:
    """What happened, and what to do."""
    if problem["type"] in _UNKNOWN_KEY:
        name = str(problem["loc"][-1])
        return f"{key}: there is no such key", nearest(name, valid, "the keys here are")
    if problem["type"] == "missing":
        return f"{key}: missing", f"add `{problem['loc'][-1]}:`"
    # Pydantic also names the branch of a union that it tried; only what was written is a key.
    while "." in key and key not in places:
        key = key.rpartition(".")[0]
    message = problem["msg"].removeprefix("Value error, ")
    if message == problem["msg"]:  # pydantic's own sentence; a check's begins as it wants to, perhaps with a name
        message = message[:1].lower() + message[1:]
    value = problem["input"]
    shown = ""
    if isinstance(value, str | int | float | bool):
        # Allow-lists hold addresses, so even a policy's own values are masked.
        text = mask_text(repr(value))
        shown = f", not {text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '…'}"
    return f"{key}: {message}{shown}", None
