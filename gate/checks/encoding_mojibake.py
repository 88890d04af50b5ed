"""Text that was decoded with the wrong encoding: which lines of a text are, and what they were.

`ftfy` decides and repairs (Speer 2019, doi:10.5281/zenodo.2591652); it is asked about the few lines that hold a pair
of characters which bytes of UTF-8 become in Latin-1, Windows-1252, Windows-1251 or Mac Roman.
"""

from __future__ import annotations

import re

# The characters of the bytes 80 to BF in Windows-1252; the bytes C2 to F4, which begin a character in UTF-8, are
# Â to ô there.
_FOLLOWING = (
    "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201a\u201c-\u201e"
    "\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122"
)
# In Windows-1251 the bytes D0 and D1, which begin nearly all of Cyrillic, are Р and С; what follows is seldom Russian.
_CYRILLIC = "\u0402\u0403\u0409-\u040c\u040f\u0452\u0453\u0459-\u045c\u045f\u040e\u045e\u00a0-\u00bf\u2018-\u2022\u2116"
_PAIRS = (
    f"[\u00c2-\u00f4][{_FOLLOWING}]"
    f"|[\u0420\u0421][{_CYRILLIC}]"
    "|\u201a\u00c4[\u00ee\u00ec\u00f4\u00fa\u00f9\u00b6]|\u221a[\u00a9\u00ae\u2020\u00b1\u00ba\u00ef]"
)
_PAIR = re.compile(_PAIRS)
POSSIBLE = _PAIRS
"""A Rust expression that matches in every text that is looked at."""

# The first two characters that Windows-1252 makes of a quotation mark or dash, where the third was lost: no language
# writes them.
_REST = re.compile("\u00e2\u20ac")


def mended(text: str) -> str:
    """The text with every line that is mojibake as it was meant; all other lines stay."""
    if not _PAIR.search(text):
        return text
    # At line feeds only: what `splitlines` takes for the end of a line may be half of a garbled character.
    return "\n".join(_meant(line) for line in text.split("\n"))


def places(text: str) -> list[tuple[int, int, bool]]:
    """Where a text is mojibake: first character, character behind the last, and whether it can be repaired.

    One range for each line, from the first character that changes to the last.
    """
    found: list[tuple[int, int, bool]] = []
    offset = 0
    for line in text.split("\n"):
        meant = _meant(line)
        if meant != line:
            shorter = min(len(line), len(meant))
            head = next((at for at in range(shorter) if line[at] != meant[at]), shorter)
            tail = next((at for at in range(shorter - head) if line[-1 - at] != meant[-1 - at]), shorter - head)
            found.append((offset + head, offset + max(len(line) - tail, head + 1), True))
        elif rest := _REST.search(line):
            found.append((offset + rest.start(), offset + rest.end(), False))
        offset += len(line) + 1
    return found


def _meant(line: str) -> str:
    if not _PAIR.search(line):
        return line
    from ftfy import fix_encoding

    return fix_encoding(line)
