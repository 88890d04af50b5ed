"""What a dataset card says: the YAML front matter of its README.md, as on the Hugging Face hub, read safely.

Cards come with the data and are nobody's code: no tags, no aliases (a few lines of which can stand for gigabytes), and
bounds on length and depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LARGEST = 256 << 10
"""Characters. Cards on the hub that list hundreds of configurations have some hundred thousand."""
DEEPEST = 20
"""Levels of nesting: the parser takes quadratic time in it, and the hub's own keys need five."""

_MARKED = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_OPENED = re.compile(r"\A\ufeff?---[ \t]*\r?\n")

SourceKind = Literal["expert", "labelled", "curated", "logs", "scraped", "generated"]
KINDS_OF_SOURCE: tuple[SourceKind, ...] = SourceKind.__args__  # type: ignore[attr-defined]

_OF_CREATORS: Mapping[str, SourceKind] = {
    "expert-generated": "expert",
    "crowdsourced": "labelled",
    "found": "scraped",
    "machine-generated": "generated",
}
"""What the hub's `annotations_creators` and `language_creators` come to."""


class BadFrontMatter(Exception):
    """It is not YAML, or more than a card may say; the message is a sentence without any of its text."""


@dataclass(frozen=True, slots=True)
class CardText:
    """The front matter of a card."""

    values: Mapping[str, object]

    def _said(self, *keys: str) -> object:
        own = self.values.get("gate")
        for key in keys:
            for place in (own if isinstance(own, dict) else {}, self.values):
                if place.get(key) not in (None, "", [], {}):
                    return place[key]
        return None

    def words(self, *keys: str) -> tuple[str, ...]:
        """What stands under the first of some keys that says something, under `gate:` or at the top: a text, or a
        list of them, lower case and without white space at the ends."""
        said = self._said(*keys)
        listed = said if isinstance(said, list) else [said]
        return tuple(str(each).strip().lower() for each in listed if isinstance(each, str | bool) and str(each).strip())

    @property
    def sources(self) -> tuple[str, ...]:
        """The kinds of source that it names, or those that the hub's keys come to."""
        named = self.words("source_kind")
        if named:
            return named
        creators = [*self.words("annotations_creators"), *self.words("language_creators")]
        return tuple(dict.fromkeys(_OF_CREATORS[each] for each in creators if each in _OF_CREATORS))

    @property
    def validated(self) -> bool:
        """Whether it says that people validated the rows."""
        return self.words("validated")[:1] not in ((), ("false",), ("no",))


def front_matter(text: str) -> CardText | None:
    """The front matter of a card; None where there is none.

    Raises:
        BadFrontMatter: it cannot be read.
    """
    match = _MARKED.match(text)
    if match is None:
        if _OPENED.match(text):
            raise BadFrontMatter("it begins with `---` and no second `---` ends it")
        return None
    return CardText(_parsed(match[1]))


def _parsed(text: str) -> Mapping[str, object]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

    if len(text) > LARGEST:
        raise BadFrontMatter(f"it is more than {LARGEST:,} characters long")
    try:
        depth = 0
        for event in YAML(typ="safe", pure=True).parse(text):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:
                raise BadFrontMatter("it is nested too deeply")
            if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
                raise BadFrontMatter("it uses an anchor or alias (`&`, `*`); write the value out")
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFrontMatter(f"line {mark.line + 2} is not YAML" if mark else "it is not YAML") from None
    except (YAMLError, ValueError, RecursionError):
        raise BadFrontMatter("it is not YAML") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise BadFrontMatter("it is not made of `key: value` lines")
    return values
