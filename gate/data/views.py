"""The texts that checks look at, computed once per run and shared by all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import orjson
import polars as pl

T = TypeVar("T")

TEXTS = pl.Schema(
    {
        "index": pl.UInt32,  # position in `Frames.examples`
        "field": pl.String,  # e.g. messages[0].content, chosen[1].tool_calls, text, meta.author.email
        "text": pl.String,
    }
)

_CONTENT = pl.element().struct.field("content")


def _joined(column: str) -> pl.Expr:
    """The contents of a message list, one per line; null where there are none."""
    return pl.col(column).list.eval(_CONTENT.drop_nulls()).list.join("\n")


class Frames:
    """The rows that a check measures: canonical examples, malformed rows, and lazily computed views.

    Safe to share between threads; each view is computed at most once.
    """

    def __init__(self, examples: pl.DataFrame, malformed: pl.DataFrame) -> None:
        self.examples = examples
        self.malformed = malformed
        self._views: dict[str, object] = {}
        self._lock = threading.RLock()

    def slices(self, rows: int) -> Iterator[tuple[int, Frames]]:
        """The examples, some at a time, each with the position of its first; for work that would otherwise hold
        several copies of every text. Malformed rows are left out, and views are not shared with these."""
        for start in range(0, self.examples.height, rows):
            yield start, Frames(self.examples[start : start + rows], self.malformed.clear())

    @property
    def prompt(self) -> pl.Series:
        """What the model is given: every message before the last assistant turn of a chat or feedback
        example, the shared prompt of a preference; null for plain text. One string per example."""
        return self.once("prompt", lambda: self._conversation()["prompt"])

    @property
    def response(self) -> pl.Series:
        """What the model learns to say: the last message when it is the assistant's (`chosen` for a
        preference); null for plain text. One string per example."""
        return self.once("response", lambda: self._conversation()["response"])

    @property
    def full(self) -> pl.Series:
        """The whole text: every message (with `chosen` and `rejected`) or the plain text, joined by
        line feeds. One string per example."""

        def compute() -> pl.Series:
            parts = [_joined("messages"), _joined("chosen"), _joined("rejected"), pl.col("text")]
            return self.examples.select(full=pl.concat_str(parts, separator="\n", ignore_nulls=True))["full"]

        return self.once("full", compute)

    @property
    def texts(self) -> pl.DataFrame:
        """Every text of every example in long form (schema `TEXTS`): contents and tool calls of all
        messages, plain text, tools, and the string values inside `meta`. Nulls and empties are left out."""
        return self.once("texts", self._texts)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """What `compute` returns, computed once and shared; the name tells it from everything else."""
        with self._lock:
            if name not in self._views:
                self._views[name] = compute()
            return self._views[name]  # type: ignore[return-value]

    def _conversation(self) -> pl.DataFrame:
        def compute() -> pl.DataFrame:
            last = pl.col("messages").list.last()
            answered = (last.struct.field("role") == "assistant") & (pl.col("kind") != "preference")
            before = (
                pl.when(answered)
                .then(pl.col("messages").list.head(pl.col("messages").list.len().cast(pl.Int64) - 1))
                .otherwise(pl.col("messages"))
            )
            return self.examples.select(
                prompt=before.list.eval(_CONTENT.drop_nulls()).list.join("\n"),
                response=pl.when(pl.col("kind") == "preference")
                .then(_joined("chosen"))
                .when(answered)
                .then(last.struct.field("content").fill_null("")),
            )

        return self.once("conversation", compute)

    def _texts(self) -> pl.DataFrame:
        rows = self.examples.with_columns(index=pl.int_range(pl.len(), dtype=pl.UInt32))
        parts = []
        for column in ("messages", "chosen", "rejected"):
            turns = (
                rows.lazy()
                .select("index", message=pl.col(column))
                .filter(pl.col("message").list.len() > 0)
                .with_columns(turn=pl.int_ranges(pl.col("message").list.len()))
                .explode("message", "turn")
            )
            parts += [
                turns.select(
                    "index",
                    field=pl.format(f"{column}[{{}}].{part}", "turn"),
                    text=pl.col("message").struct.field(part),
                )
                for part in ("content", "tool_calls")
            ]
        parts += [
            rows.lazy().select("index", field=pl.lit(column), text=pl.col(column)) for column in ("text", "tools")
        ]
        parts.append(_meta_strings(rows).lazy())
        kept = [part.filter(pl.col("text").str.len_bytes() > 0) for part in parts]
        return pl.concat(kept).sort("index", maintain_order=True).collect()


def _meta_strings(rows: pl.DataFrame) -> pl.DataFrame:
    """The string values inside `meta`, each under its path.

    A Python loop, over the rows that carry meta only: paths differ from row to row, which no column
    expression can follow (2 µs per row).
    """
    found: list[tuple[int, str, str]] = []

    def walk(index: int, path: str, value: object) -> None:
        if isinstance(value, str):
            found.append((index, path, value))
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(index, f"{path}.{key}", item)
        elif isinstance(value, list):
            for position, item in enumerate(value):
                walk(index, f"{path}[{position}]", item)

    carrying = rows.select("index", "meta").drop_nulls()
    for index, meta in carrying.iter_rows():
        walk(index, "meta", orjson.loads(meta))
    return pl.DataFrame(found, schema=TEXTS, orient="row")
