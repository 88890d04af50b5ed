"""Puts right what the `encoding` check finds with remedy `fix`, for `gate fix`: after it the check finds no more."""

from __future__ import annotations

from gate.checks.encoding_characters import CHARACTERS
from gate.checks.encoding_mojibake import mended


def repaired(text: str) -> str:
    """The text without mojibake, control characters and characters that nobody sees; a repaired text stays as it is.

    What is left for a person (replacement characters, private use, escapes, no-break spaces) is left. Repeated until
    nothing changes, since one repair can bring to light what another is for; each makes the text shorter, or leaves
    fewer controls in it, so that it ends.
    """
    while True:
        after = mended(text)
        for characters in CHARACTERS.values():
            after = characters.mended(after)
        if after == text:
            return text
        text = after
