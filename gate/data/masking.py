"""Hides what must never be shown: personal data and secrets, where evidence and excerpts are made.

`mask_value` hides a value that is known to be sensitive. `mask_text` makes any text of a dataset fit to be
shown: it hides whatever looks like a contact, a number that identifies someone, or a credential. It would
rather hide too much; it decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")

_SENSITIVE = re.compile(
    r"""
      -----BEGIN[ ][A-Z0-9 ]+-----.*?(?:-----END[ ][A-Z0-9 ]+-----|\Z)   # PEM blocks, also cut ones
    | (?<=://)[^\s/@]+(?=@)                                         # credentials in a URL
    | (?i:(?:[_-]|\b)(?:(?:api|access|account|auth|private|client|encryption|signing)[_-]?key
      |secret(?:[_-]?(?:access[_-]?)?key)?
      |token|credential|passw(?:or)?d|passphrase|pwd)\\*["'`]?\s*(?::=|=>|[:=])\s*)\S+
    | hooks\.slack\.com/\S+ | \beyJ[A-Za-z0-9_=.-]{10,}                  # tokens of letters only too
    | \b(?:sk|pk|rk|gh[a-z]|hf|npm|pypi|glpat|xox[a-z]|xapp|whsec|GOCSPX|ya29|AIza|SG)[_.-][A-Za-z0-9_.-]{16,}
    | [^\s@<>()\[\]"',;:]{1,64}@[^\s@<>()\[\]"',;:]+                     # e-mail addresses
    | \b(?:\d{1,3}\.){3}\d{1,3}\b                                    # IPv4
    | \b(?:[0-9A-Fa-f]{1,4}:|:){2,7}[0-9A-Fa-f:.]{1,}                # IPv6, MAC
    | \b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{3,4}){3,8}\b                    # IBAN
    | \+?\(?\d(?:[\s().\-/]{0,3}\d){6,}                                  # phones, cards, SSN: seven digits or more
    | \b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_]{9,}\b                   # licence numbers, short tokens
    | (?<![\w+/=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{16,} # keys and tokens
    | \b(?:bc1|0x)[0-9A-Za-z]{20,}\b                                 # wallets
    """,
    re.VERBOSE | re.DOTALL,
)


def mask_value(value: str) -> str:
    """The value's outline: every letter and digit becomes `*`, but for the first of a value of eight
    characters or more."""
    keep = 1 if len(value) >= 8 else 0
    return value[:keep] + _LETTER_OR_DIGIT.sub("*", value[keep:])


def mask_text(text: str, spans: Iterable[tuple[int, int]] = ()) -> str:
    """The text with every sensitive-looking part, and every given span, masked; the length stays.

    Args:
        spans: further (start, end) character ranges to hide, such as findings in that text.
    """
    for start, end in spans:
        text = text[:start] + _LETTER_OR_DIGIT.sub("*", text[start:end]) + text[end:]
    return _SENSITIVE.sub(lambda match: _LETTER_OR_DIGIT.sub("*", match.group()), text)
