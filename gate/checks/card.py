"""The `card` check: whether it is written down where a dataset comes from, whose it is, and that it may be used.

It reads dataset cards: README.md files in the root or beside the data, with YAML front matter as on the Hugging Face
hub. Where the hub has a key it is used (`license`, `language`, `annotations_creators`); gate's own are `owner`,
`consent`, `source_kind` and `validated`, at the top or under `gate:`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Literal

import polars as pl

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.card_front_matter import KINDS_OF_SOURCE, BadFrontMatter, CardText, SourceKind, front_matter
from gate.checks.card_licenses import LICENSES, NOBODY_KNOWS, OTHER
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.views import Frames

Entry = Literal["license", "owner", "consent", "source_kind", "language"]

CODES = {
    "no_card": "Files have no README.md beside them or in a folder above.",
    "no_front_matter": "A card has no YAML front matter between two lines of `---`.",
    "invalid_yaml": "The front matter of a card cannot be read.",
    "no_license": "A card names no licence.",
    "unknown_license": "A licence is no SPDX or hub identifier, or `other` without a name.",
    "license_not_allowed": "A licence is none of those that the policy allows.",
    "no_owner": "A card does not say who owns the data (`owner`).",
    "no_consent": "A card does not say on what ground the data may be used (`consent`).",
    "no_source_kind": "A card does not say what kind of source the rows come from (`source_kind`).",
    "bad_source_kind": "Rows come from a source that needs validation by people, and no card says that they had it.",
    "unknown_source_kind": "`source_kind` is none of the kinds that gate knows.",
    "no_language": "A card names no language.",
    "wrong_size": "`size_categories` is not the number of rows that there are.",
}


class CardParams(Params):
    """What a card has to say."""

    require: tuple[Entry, ...]
    """What has to be written down."""
    validate_sources: tuple[SourceKind, ...]
    """Kinds of source whose rows people have to have validated (`validated: true`, or by whom)."""
    licenses: tuple[str, ...] | None = None
    """The licences that are allowed, by their identifiers; any that has one where nothing is named."""


def _features(frames: Frames, params: CardParams, context: Context) -> pl.DataFrame:
    """Nothing: cards lie beside the data."""
    return pl.DataFrame({"rows": [frames.examples.height]})


@check(
    "card",
    params=CardParams,
    codes=CODES,
    fails=({"prompt": "Name a prime above 10.", "completion": "11"},),
    passes=(),
    features=_features,
    libraries=("ruamel.yaml",),
)
def card(corpus: Corpus, params: CardParams, context: Context) -> Measurement:
    """Whether the cards of a dataset (README.md with front matter, as on the Hugging Face hub) say under what licence,
    by whose right and from what kind of source its rows are.

    A card speaks for the files of its folder and of those below it, up to the next card. Findings carry the card as
    their file. Figures: cards, and files without one.
    """
    cards = _speaking(corpus)
    without = sorted(path for path, card in _card_of(corpus, cards).items() if card is None)
    demands: list[Whole] = []
    if without or (not corpus.files and not cards):
        which = f"{len(without):,} of {len(corpus.files):,} files have" if corpus.files else "The dataset has"
        message = f"{which} no dataset card: a README.md with front matter that says what the data is."
        demands.append(Whole("no_card", message, len(without) / max(1, len(corpus.files)) if corpus.files else 1.0))
    for path in cards:
        demands += _of_card(path, corpus.cards[path], _rows_of(corpus, cards, path), params)
    figures = {"cards": float(len(cards)), "files without a card": float(len(without))}
    return Measurement(wholes(demands), corpus.rows.height + corpus.malformed.height, figures)


def _speaking(corpus: Corpus) -> list[str]:
    """The cards that are judged: those that begin as one does; all others only where none does."""
    marked = [path for path, text in corpus.cards.items() if text.lstrip("\ufeff").startswith("---")]
    return sorted(marked or corpus.cards)


def _card_of(corpus: Corpus, cards: list[str]) -> dict[str, str | None]:
    """For each file the card that speaks for it: the nearest one upwards."""
    by_folder = {PurePosixPath(path).parent: path for path in cards}
    return {
        file.path: next((by_folder[up] for up in PurePosixPath(file.path).parents if up in by_folder), None)
        for file in corpus.files
    }


def _rows_of(corpus: Corpus, cards: list[str], card: str) -> int:
    own = {path for path, spoken_for in _card_of(corpus, cards).items() if spoken_for == card}
    return sum(file.rows for file in corpus.files if file.path in own)


def _of_card(path: str, text: str, rows: int, params: CardParams) -> Iterator[Whole]:
    try:
        said = front_matter(text)
    except BadFrontMatter as error:
        yield Whole("invalid_yaml", f"The front matter cannot be read: {error}.", 1.0, path, file=path)
        return
    if said is None:
        message = "The card has no front matter: `key: value` lines between two lines of `---` at its beginning."
        yield Whole("no_front_matter", message, 1.0, path, file=path)
        return
    problems = [*_missing(said, params), *_licence(said, params), *_source(said, params)]
    for code, message in problems:
        yield Whole(code, message, 1.0, path, file=path)
    sizes = said.words("size_categories")
    if sizes and rows and size_category(rows).lower() not in sizes:
        message = f"`size_categories` does not name {size_category(rows)}, though there are {rows:,} rows."
        yield Whole("wrong_size", message, 1.0, path, severity="info", file=path)


_ASKS = {
    "license": "under what licence the data is (`license: cc-by-4.0`)",
    "owner": "who owns the data (`owner:`)",
    "consent": "on what ground it may be used (`consent:`)",
    "source_kind": f"what kind of source it is from (`source_kind:`, one of {', '.join(KINDS_OF_SOURCE)})",
    "language": "in which language it is (`language: [en]`)",
}


def _missing(said: CardText, params: CardParams) -> Iterator[tuple[str, str]]:
    for entry in params.require:
        there = said.sources if entry == "source_kind" else said.words(entry)
        if not set(there) - NOBODY_KNOWS:
            yield f"no_{entry}", f"The card does not say {_ASKS[entry]}."


def _licence(said: CardText, params: CardParams) -> Iterator[tuple[str, str]]:
    named = [each for each in said.words("license") if each not in NOBODY_KNOWS]
    explained = bool(said.words("license_name") or said.words("license_link"))
    unknown = [each for each in named if each not in LICENSES and not (each == OTHER and explained)]
    if unknown:
        message = "A licence is no identifier of SPDX or of the hub; write `license: other` and `license_name:`."
        yield "unknown_license", message
    allowed = params.licenses
    if allowed is not None and any(each not in {one.lower() for one in allowed} for each in named):
        yield "license_not_allowed", "A licence is none of those that the policy allows."


def _source(said: CardText, params: CardParams) -> Iterator[tuple[str, str]]:
    if any(each not in KINDS_OF_SOURCE for each in said.sources):
        yield "unknown_source_kind", f"`source_kind` is one of {', '.join(KINDS_OF_SOURCE)}."
    suspect = [each for each in params.validate_sources if each in said.sources]
    if suspect and not said.validated:
        message = f"The rows are from a source that needs validation ({', '.join(suspect)}), and none is on record."
        yield "bad_source_kind", message


def size_category(rows: int) -> str:
    """The hub's category of a number of rows, such as `1K<n<10K`."""
    steps = [("1K", 10**3), ("10K", 10**4), ("100K", 10**5), ("1M", 10**6), ("10M", 10**7), ("100M", 10**8)]
    steps += [("1B", 10**9), ("10B", 10**10), ("100B", 10**11), ("1T", 10**12)]
    if rows < steps[0][1]:
        return "n<1K"
    for (low, _), (high, limit) in pairwise(steps):
        if rows < limit:
            return f"{low}<n<{high}"
    return "n>1T"
