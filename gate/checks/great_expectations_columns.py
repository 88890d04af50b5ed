"""The columns that a suite may name: an example's canonical ones, flat, and those of its source record.

Only what a suite names is computed, so that lengths do not drag texts along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import orjson
import polars as pl

from gate.checks.base import CheckFailed
from gate.data.views import Frames

SOURCE_PREFIX = "source."
"""Before the name of a source column that a canonical one hides."""

_SLOT = r"\{\{\s*\w+\s*\}\}"


@dataclass(frozen=True, slots=True)
class Column:
    """A canonical column as a suite sees it."""

    name: str
    meaning: str
    values: Callable[[Frames], pl.Series]
    measured: bool = False
    """Whether it is a count that gate made, so that no value of it is a value of the data."""


def _own(name: str) -> Callable[[Frames], pl.Series]:
    return lambda frames: frames.examples[name]


def _chars(texts: Callable[[Frames], pl.Series]) -> Callable[[Frames], pl.Series]:
    return lambda frames: texts(frames).str.len_chars()


def _prompt(frames: Frames) -> pl.Series:
    return frames.prompt


def _response(frames: Frames) -> pl.Series:
    return frames.response


def _full(frames: Frames) -> pl.Series:
    return frames.full


def _said(column: str) -> Callable[[Frames], pl.Series]:
    contents = pl.col(column).list.eval(pl.element().struct.field("content").drop_nulls())
    said = pl.when(pl.col(column).list.len() > 0).then(contents.list.join("\n"))
    return lambda frames: frames.examples.select(said.alias(column))[column]


def _system(frames: Frames) -> pl.Series:
    first = pl.col("messages").list.first()
    system = pl.when(first.struct.field("role") == "system").then(first.struct.field("content"))
    return frames.examples.select(system=system)["system"]


def _turns(role: str | None = None) -> Callable[[Frames], pl.Series]:
    turns = pl.col("messages")
    if role is not None:
        turns = turns.list.eval(pl.element().struct.field("role").filter(pl.element().struct.field("role") == role))
    return lambda frames: frames.examples.select(turns=turns.list.len())["turns"]


def _calls(frames: Frames) -> pl.Series:
    calls = pl.col("messages").list.eval(pl.element().struct.field("tool_calls").drop_nulls()).list.len()
    return frames.examples.select(calls=calls)["calls"]


def _slots(frames: Frames) -> pl.Series:
    """Code and markup may well hold `{{ name }}`: an answer with a backtick or a `<` counts none."""
    answer = pl.lit(frames.response)
    prose = ~answer.str.contains(r"[`<]")
    return pl.select(slots=pl.when(prose).then(answer.str.count_matches(_SLOT)).when(answer.is_not_null()).then(0))[
        "slots"
    ]


CANONICAL: dict[str, Column] = {
    column.name: column
    for column in (
        Column("id", "content id", _own("id")),
        Column("file", "path of the file, relative to the dataset", _own("file")),
        Column("row", "1-based row of its file", _own("row"), measured=True),
        Column("line", "1-based line of its file, where it has lines", _own("line"), measured=True),
        Column("shape", "layout of the file", _own("shape")),
        Column("kind", "chat, preference, feedback or text", _own("kind")),
        Column("split", "train, validation, test or null", _own("split")),
        Column("prompt", "what the model is given", _prompt),
        Column("response", "what the model learns to say; the chosen answer of a preference", _response),
        Column("full", "the whole text of the example", _full),
        Column("text", "plain text", _own("text")),
        Column("system", "the system message that comes first", _system),
        Column("chosen", "the chosen answer", _said("chosen")),
        Column("rejected", "the rejected answer", _said("rejected")),
        Column("label", "the feedback's label", _own("label")),
        Column("tools", "the tools on offer, JSON", _own("tools")),
        Column("prompt_chars", "characters of prompt", _chars(_prompt), measured=True),
        Column("response_chars", "characters of response", _chars(_response), measured=True),
        Column("full_chars", "characters of full", _chars(_full), measured=True),
        Column("text_chars", "characters of text", _chars(_own("text")), measured=True),
        Column("system_chars", "characters of system", _chars(_system), measured=True),
        Column("chosen_chars", "characters of chosen", _chars(_said("chosen")), measured=True),
        Column("rejected_chars", "characters of rejected", _chars(_said("rejected")), measured=True),
        Column("turns", "turns of the conversation; of the prompt for a preference", _turns(), measured=True),
        Column("user_turns", "turns of the user's among them", _turns("user"), measured=True),
        Column("assistant_turns", "turns of the assistant's among them", _turns("assistant"), measured=True),
        Column("tool_calls", "turns that call a tool among them", _calls, measured=True),
        Column("unfilled_slots", "{{name}}-like slots left in a response of prose", _slots, measured=True),
    )
}


def source_name(column: str) -> str | None:
    """The source column that a suite means by a name; None where it means a canonical one."""
    if column in CANONICAL:
        return None
    return column.removeprefix(SOURCE_PREFIX)


def canonical_columns(frames: Frames, names: Iterable[str]) -> pl.DataFrame:
    """The canonical ones among the named columns, one row per example."""
    named = [CANONICAL[name] for name in names if name in CANONICAL]
    return pl.DataFrame([column.values(frames).alias(column.name) for column in named])


class Source:
    """The records as they were read, column by column.

    Raises:
        CheckFailed: a record is not at hand, or is not a JSON object.
    """

    def __init__(self, source: pl.Series) -> None:
        if source.null_count():
            raise CheckFailed("the records as they were read are not at hand, and the suite names their columns")
        # A Python loop, over datasets whose suite names source columns only: records differ in keys and types,
        # which no column can hold (4 µs per record).
        records = [orjson.loads(record) for record in source]
        if not all(isinstance(record, dict) for record in records):
            raise CheckFailed("a record is not a JSON object, so it has no columns that a suite could name")
        self._records: list[dict[str, object]] = records
        self.columns = tuple(dict.fromkeys(name for record in records for name in record))
        """Every column that some record has, in the order in which they first appear."""

    def narrowed(self, names: Collection[str]) -> list[str]:
        """Each record with these columns only, as JSON."""
        return [
            orjson.dumps({name: record[name] for name in names if name in record}).decode() for record in self._records
        ]
