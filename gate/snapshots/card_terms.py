"""What the dataset cards beside some data say of its terms: licences and languages, which an admission binds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gate.checks.card_front_matter import BadFrontMatter, CardText, front_matter
from gate.checks.card_licenses import NOBODY_KNOWS

_MOST = 50
"""Of each: a card that names more is a list of all there are."""
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,99}")
"""What a licence or a language is named by; anything else is prose, and no term."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Words of cards, in lower case; sorted, each once."""

    licences: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


def terms_of(cards: Mapping[str, str]) -> Terms:
    """What the cards of a dataset say together; nothing of one whose front matter cannot be read (the `card` rule says
    so).

    Args:
        cards: the text of each by its path.
    """
    said = [each for each in map(_read, cards.values()) if each is not None]
    return Terms(
        _words([word for each in said for word in each.words("license")]),
        _words([word for each in said for word in each.words("language", "languages")]),
    )


def _read(text: str) -> CardText | None:
    try:
        return front_matter(text)
    except BadFrontMatter:
        return None


def _words(words: list[str]) -> tuple[str, ...]:
    known = {word for word in words if word not in NOBODY_KNOWS and _IDENTIFIER.fullmatch(word)}
    return tuple(sorted(known)[:_MOST])
