"""Characters that text should not hold: what each class is, where it is legitimate after all, and what becomes of it.

Unicode's own names and ranges (The Unicode Standard, chapters 23.1 to 23.8 and table 23-1; for emoji UTS 51; for
bidirectional controls UAX 9 and CVE-2021-42574, "Trojan Source").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

CharacterCode = Literal[
    "control_character", "zero_width", "soft_hyphen", "bidi_control", "hidden_tag", "noncharacter",
    "replacement_character", "private_use", "escaped_surrogate", "no_break_space",
]  # fmt: skip

# Scripts whose letters are joined or kept apart by ZWJ and ZWNJ: Arabic, Syriac, the scripts of India, Tibetan,
# Myanmar, Khmer, Mongolian, with Arabic's presentation forms.
_JOINED = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
_EMOJI = "\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff"
# Scripts without spaces, in which ZWSP says where a line may end: Thai, Lao, Tibetan, Myanmar, Khmer.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"


@dataclass(frozen=True, slots=True)
class Characters:
    """One class of characters."""

    meaning: str
    possible: str
    """A Rust expression that matches in every text that may hold one."""
    pattern: re.Pattern[str]
    """Where they are wrong: the group `wrong`; a match without it is legitimate."""
    instead: Callable[[str], str] | None = None
    """What is put in their place; None where only a person can say."""
    only_left_to_right: bool = False
    """Legitimate in a text with letters that are written from right to left."""
    information: bool = False
    """Often on purpose: counts, and never blocks."""

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they are wrong, as half-open ranges of characters."""
        if self.only_left_to_right and _RIGHT_TO_LEFT.search(text):
            return
        for match in self.pattern.finditer(text):
            if match.group("wrong") is not None:
                yield match.span("wrong")

    def mended(self, text: str) -> str:
        """The text with `instead` in their places."""
        instead = self.instead
        if instead is None or (self.only_left_to_right and _RIGHT_TO_LEFT.search(text)):
            return text
        return self.pattern.sub(
            lambda match: match.group() if match.group("wrong") is None else instead(match.group()), text
        )


def _gone(found: str) -> str:
    return ""


def _control(found: str) -> str:
    """The line feed that a vertical tab, form feed or separator stands for; what a C1 control is in Windows-1252,
    which is how browsers read it (WHATWG Encoding Standard); nothing for the rest."""
    if found in "\x0b\x0c\x1c\x1d\x1e":
        return "\n"
    if "\x80" <= found <= "\x9f":
        return found.encode("latin-1").decode("cp1252", errors="ignore")
    return ""


CHARACTERS: dict[CharacterCode, Characters] = {
    "control_character": Characters(
        "A control character other than tab, line feed and carriage return, or a terminal's colour code.",
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{9f}]",
        re.compile("(?P<wrong>\x1b\\[[0-9;?]{0,20}[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f])"),
        _control,
    ),
    "zero_width": Characters(
        "A character without width where no script or emoji needs it: zero-width space, joiner, byte order mark.",
        r"[\x{200b}-\x{200d}\x{2060}-\x{2064}\x{feff}\x{180e}]",
        re.compile(
            f"(?P<wrong>[\u2060-\u2064\ufeff]|(?<![\u1800-\u18af])\u180e|(?<![{_JOINED}{_EMOJI}])\u200d"
            f"|(?<![{_JOINED}])\u200c(?![{_JOINED}])|(?<![{_UNSPACED}])\u200b(?![{_UNSPACED}]))"
        ),
        _gone,
    ),
    "soft_hyphen": Characters(
        "A soft hyphen: invisible, and a word with one is another word to a tokenizer.",
        r"\x{ad}",
        re.compile("(?P<wrong>\xad)"),
        _gone,
    ),
    "bidi_control": Characters(
        "A control of writing direction in a text that is written from left to right: it shows other than it reads.",
        r"[\x{200e}\x{200f}\x{61c}\x{202a}-\x{202e}\x{2066}-\x{2069}]",
        re.compile("(?P<wrong>[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069])"),
        _gone,
        only_left_to_right=True,
    ),
    "hidden_tag": Characters(
        "Tag characters or variation selectors that carry text which nobody sees.",
        r"[\x{e0000}-\x{e007f}\x{e0100}-\x{e01ef}]",
        # The flags of England, Scotland and Wales are a black flag and tags (UTS 51, ED-14a).
        re.compile(
            "\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f"
            f"|(?P<wrong>[\U000e0000-\U000e007f]|(?<![{_IDEOGRAPHS}])[\U000e0100-\U000e01ef])"
        ),
        _gone,
    ),
    "noncharacter": Characters(
        "A code point that Unicode will never give to a character.",
        r"[\x{fdd0}-\x{fdef}" + "".join(rf"\x{{{plane:x}fffe}}\x{{{plane:x}ffff}}" for plane in range(17)) + "]",
        re.compile(
            "(?P<wrong>[\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in
            (0xFFFE, 0xFFFF)) + "])"
        ),
        _gone,
    ),
    "replacement_character": Characters(
        "U+FFFD stands where a character was lost for good: look it up in the source.",
        r"\x{fffd}",
        re.compile("(?P<wrong>\ufffd)"),
    ),
    "private_use": Characters(
        "A character of private use, which shows only in the font it was written with.",
        r"[\x{e000}-\x{f8ff}\x{f0000}-\x{ffffd}\x{100000}-\x{10fffd}]",
        re.compile("(?P<wrong>[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd])"),
        information=True,
    ),
    "escaped_surrogate": Characters(
        r"Half of a character as an escape left in the text, like \ud83d; right only where code is shown.",
        r"\\u[dD][89abAB][0-9a-fA-F]{2}",
        re.compile(r"(?P<wrong>\\u[dD][89abAB][0-9a-fA-F]{2})"),
        information=True,
    ),
    "no_break_space": Characters(
        "A no-break space: right in French and between figures, often left over from a web page.",
        r"[\x{a0}\x{202f}]",
        re.compile("(?P<wrong>[\u00a0\u202f])"),
        information=True,
    ),
}  # fmt: skip
