"""Which values that have the form of a secret open nothing: placeholders, values of documentation, too regular ones.

They stand in every tutorial and are no reason to block; the `secrets` check reports them as `info`.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2

_PLACEHOLDER = re.compile(
    r"""
      [<>{}\[\]]|\$[A-Z_(]{2}|%s|%\(|\.\.\.|…|\*{3}|\#{4}                      # <your-key>, {token}, ${TOKEN}, …
    | (?i:x{4}|y{4}|0{8}|example|your|my[_-]?(?:key|token|secret|pass|api|pwd|user|db)
      |placeholder|change[_-]?me|replace|dummy|sample|insert|fake|redacted|hidden|todo|secret[_-]?(?:key|token)|api[_-]?key|access[_-]?token
      |private[_-]?key|goes[_-]?here|not[_-]?a[_-]?real)
    | (.)\1{5,}                                             # the same character six times and more
    | (?i:0123456|1234567|abcdefg|qwerty|deadbeef|abc123)
    """,
    re.VERBOSE,
)

# What tutorials put where a password goes; not a list of weak passwords: those open doors too.
_STAND_INS = re.compile(
    r"(?i)(?:db|my|the|new|old|user|root|admin|test|super|strong|secure|some|valid|invalid|wrong|correct|hashed|"
    r"database|default|example|_|-|\.|!|@|\#|\$)*"
    r"(?:passw(?:or)?d|passphrase|pass|pwd|secret|token|postgres|mysql|mongo|redis|guest|admin|root|user|username|letmein|"
    r"hunter2|foo|bar|baz|hello|none|null|true|false|string|undefined)*(?:\d{0,4}[!@#$]?)"
)

# Published in documentation: AWS (all end in EXAMPLE or EXAMPLEKEY, told by that word), Stripe's keys for trying its
# interface out, the Azure storage emulator's account key, and the token of RFC 7519 and jwt.io (subject 1234567890).
_PUBLISHED = (
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "sk_test_BQokikJOvBiI2HlWgH4olfQ2",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "eyJzdWIiOiIxMjM0NTY3ODkwIi",
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs",
)  # fmt: skip

# RFC 2606 and RFC 6761.
_RESERVED_HOST = re.compile(r"(?i)@(?:[\w-]+\.)*(?:example(?:\.(?:com|org|net))?|test|invalid)(?=[:/?\s\"'`]|$)")


def entropy(value: str) -> float:
    """Shannon's entropy of the characters of a text, in bits per character (Shannon 1948, section 6)."""
    total = len(value)
    return -sum(count / total * log2(count / total) for count in Counter(value).values()) if total else 0.0


def opens_nothing(value: str, least_entropy: float) -> bool:
    """Whether a token is a placeholder, published as an example, or more regular than a random one can be.

    Args:
        least_entropy: in bits per character; below it a value was typed, not drawn.
    """
    regular = entropy(value) < least_entropy
    return regular or bool(_PLACEHOLDER.search(value)) or any(known in value for known in _PUBLISHED)


def is_stand_in(password: str) -> bool:
    """Whether what stands where a password goes is only the word for it, or a placeholder."""
    return bool(_STAND_INS.fullmatch(password) or _PLACEHOLDER.search(password))


def at_reserved_host(rest: str) -> bool:
    """Whether what follows a password in an address (from the `@`) is a host that is reserved for documentation."""
    return bool(_RESERVED_HOST.match(rest))
