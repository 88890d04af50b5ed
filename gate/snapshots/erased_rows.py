"""What is left of an example that was erased: a row with its ids and its place, and nothing of its content.

The row stays because the snapshot's id is over content ids, record ids and splits, and because counts have to close:
with it, a verifier can still compute both. A content id is a digest, from which nobody gets the content back; whoever
has the content already can tell that it was here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping

import polars as pl

from gate.admission.result import FINDINGS
from gate.data.ids import Message, identify
from gate.errors import GateError
from gate.provenance.statements import Erasure
from gate.snapshots.chain import Link, broken
from gate.snapshots.layout import ADMITTED, VERDICTS
from gate.snapshots.parquet import from_parquet
from gate.snapshots.reach import current
from gate.snapshots.sealed_objects import Objects
from gate.store.objects import Damaged

_AGAIN = "run `gate erase` with the same ids again"
CONTENT = ("messages", "chosen", "rejected", "label", "text", "tools", "meta", "source")
"""Columns of `ADMITTED` that hold what an example says."""
ITEMS = (
    "index", "doc_hash", "prompt_hash", "target_hash", "example", "cluster", "slice", "prompt", "target", "output",
    "scores",
)  # fmt: skip
"""Columns of an object with the items that a model was scored on (gate.evaluation.items.ITEMS, which is above us)."""
TEXTS = ("prompt", "target", "output")
"""Those that quote the example that an item was made of, or what a model made of it."""


def without_content(rows: pl.DataFrame, ids: Collection[str]) -> pl.DataFrame:
    """Rows of an object of examples, with nothing of these in them but their ids and places.

    Args:
        rows: schema `ADMITTED`.
        ids: content ids.
    """
    gone = pl.col("id").is_in(list(ids))
    nothing = [pl.when(~gone).then(pl.col(name)).alias(name) for name in CONTENT]
    return rows.with_columns(nothing)


def with_content(ids: Collection[str]) -> pl.Expr:
    """Rows of these ids that still say something."""
    return pl.col("id").is_in(list(ids)) & pl.any_horizontal(*(pl.col(name).is_not_null() for name in CONTENT))


def with_evidence(ids: Collection[str]) -> pl.Expr:
    """Findings whose evidence may quote these examples: on them, or compared with them."""
    concerned = pl.col("id").is_in(list(ids)) | pl.col("partner").is_in(list(ids))
    return concerned.fill_null(False) & pl.col("evidence").is_not_null()


def with_reasons(ids: Collection[str]) -> pl.Expr:
    """Verdicts whose reasons may quote these examples."""
    return pl.col("id").is_in(list(ids)) & pl.col("reason").is_not_null()


def with_texts(ids: Collection[str]) -> pl.Expr:
    """Items made of these examples that still quote something."""
    quotes = pl.any_horizontal(*((pl.col(name) != "").fill_null(False) for name in TEXTS))
    return pl.col("example").is_in(list(ids)).fill_null(False) & quotes


def without_texts(items: pl.DataFrame, ids: Collection[str]) -> pl.DataFrame:
    """Items whose texts are gone where they were made of these examples; hashes and scores stay, so that what was
    scored still gives the means that were signed."""
    gone = with_texts(ids)
    return items.with_columns(pl.when(gone).then(pl.lit("")).otherwise(pl.col(name)).alias(name) for name in TEXTS)


def without_evidence(findings: pl.DataFrame, ids: Collection[str]) -> pl.DataFrame:
    """Findings whose evidence on these examples is gone; which findings there were stays."""
    return findings.with_columns(pl.when(~with_evidence(ids)).then(pl.col("evidence")).alias("evidence"))


def without_reasons(verdicts: pl.DataFrame, ids: Collection[str]) -> pl.DataFrame:
    """Verdicts whose reasons on these examples are gone."""
    return verdicts.with_columns(pl.when(~with_reasons(ids)).then(pl.col("reason")).alias("reason"))


def kind_of(content: bytes) -> str | None:
    """What a Parquet object holds of examples: `examples`, `findings`, `verdicts` or `items`; None where it is nothing
    of that.

    Raises:
        PolarsError: it is no Parquet.
    """
    columns = set(pl.read_parquet_schema(io.BytesIO(content)))
    known = {"examples": set(ADMITTED), "findings": set(FINDINGS), "verdicts": set(VERDICTS), "items": set(ITEMS)}
    for kind, names in known.items():
        if columns == names:
            return kind
    return None


QUOTES: Mapping[str, Callable[[Collection[str]], pl.Expr]] = {
    "examples": with_content,
    "findings": with_evidence,
    "verdicts": with_reasons,
    "items": with_texts,
}
"""By what an object holds: its rows that still say something of some examples."""


def carried_out(objects: Objects, about: Erasure) -> list[Link]:
    """That what an erasure removed is gone, and that what stands for it says nothing of the examples, and of all others
    what was sealed."""
    links = [_replaced(objects, old, set(about.examples)) for old in about.objects]
    wrong = [link for link in links if link.state == "broken"]
    said = f"{len(about.examples):,} examples, from {len(about.objects):,} objects: {about.why}"
    return wrong or [Link("tombstone", "", "erased", said)]


def _replaced(objects: Objects, old: str, ids: set[str]) -> Link:
    new = current(old, objects.gone)
    kinds = ("parquet", "html", "json")
    kind = next((each for each in kinds if any(objects.store.path(one, each).exists() for one in (old, new))), kinds[0])
    try:
        read = objects.read(old, kind, cut=True)
        holds = kind_of(read.content) if kind == "parquet" else None
        if holds == "examples":
            _check_examples(from_parquet(read.content, ADMITTED, read.name), ids, objects.erased_examples(), read.name)
        elif holds is not None:
            quotes = QUOTES[holds](ids)
            if pl.read_parquet(io.BytesIO(read.content)).select(quotes.any()).item():
                raise Damaged("it may still quote examples that were erased", where=read.name, remedy=_AGAIN)
        return Link("erased", read.name, "erased", read.told)
    except pl.exceptions.PolarsError:
        return broken(
            "erased", Damaged("it is no whole Parquet file", where=objects.store.name(objects.store.path(new, kind)))
        )
    except GateError as error:
        return broken("erased", error)


def _check_examples(rows: pl.DataFrame, ids: set[str], every: set[str], name: str) -> None:
    if rows.select(with_content(ids).any()).item():
        raise Damaged("it still holds examples that were erased", where=name, remedy=_AGAIN)
    empty = pl.all_horizontal(*(pl.col(each).is_null() for each in CONTENT))
    if rows.filter(empty & ~pl.col("id").is_in(list(every))).height:
        raise Damaged("examples are gone from it that no erasure names", where=name)
    if not content_ids(rows.filter(~empty)).equals(rows.filter(~empty)["id"]):
        raise Damaged("examples in it are not what was sealed", where=name)


def content_ids(rows: pl.DataFrame) -> pl.Series:
    """The content id of each row, from what it says.

    Args:
        rows: schema `ADMITTED`.
    """
    wanted = rows.select("kind", "messages", "chosen", "rejected", "label", "text", "tools")
    # A loop over rows, since a digest is made of each: some ten microseconds, and only where something was erased.
    ids = [
        identify(kind, _turns(messages), _turns(chosen), _turns(rejected), label, text, tools)[0]
        for kind, messages, chosen, rejected, label, text, tools in wanted.iter_rows()
    ]
    return pl.Series("id", ids, dtype=pl.String)


def _turns(messages: list[dict[str, str | None]] | None) -> list[Message] | None:
    if messages is None:
        return None
    return [
        (one["role"] or "", one["content"], one["name"], one["tool_calls"], one["tool_call_id"]) for one in messages
    ]
