"""Makes text that came from a dataset or a file name harmless to show: no escape sequence, no reordering, no markup.

Control characters, ANSI escapes, bidirectional overrides, lone surrogates and invisible format characters become
visible names such as `<U+202E>`. Escaping for HTML is the template's business; rich markup is inert because the
terminal only ever gets `rich.text.Text`.
"""

from __future__ import annotations

import re

_HOSTILE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 controls, ESC among them; not TAB and LF
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidirectional
    "\ud800-\udfff"  # lone surrogates, as in file names that are not UTF-8
    "\U000e0000-\U000e0fff"  # tags and variation selectors: text that nobody sees
    "]"
)
_SPACE = re.compile(r"[\t\n]+")


def inert(text: str, limit: int | None = None) -> str:
    """The text with everything that is not plain, visible text spelled out.

    Args:
        limit: the most characters to give back; a longer text ends in an ellipsis.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return _HOSTILE.sub(lambda match: f"<U+{ord(match.group()):04X}>", text.replace("\r\n", "\n"))


def one_line(text: str, limit: int | None = None) -> str:
    """`inert`, on a single line."""
    return inert(_SPACE.sub(" ", text), limit)
