"""All rows of a run by small keys: what is compared across files, while the texts stay on disk.

Rows are numbered through all files, in the order of the files and of the rows in them; a position is such a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.data.frame import EXAMPLES, KINDS, MALFORMED, SPLITS, SourceFile
from gate.data.side_by_side import side_by_side
from gate.data.views import Frames

Positions = NDArray[np.int64] | NDArray[np.uint32] | pl.Series | Sequence[int]

_THREADS = 2
"""That fetch shards: one decompresses while the other verifies. More would only hold more of them."""

ROWS = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "id": pl.String,  # content id
        "key": pl.UInt64,  # the first 64 bits of it: what rows are grouped by
        "file": pl.Categorical(),
        "row": pl.UInt32,
        "kind": pl.Enum(KINDS),
        "split": pl.Enum(SPLITS),
        "label": pl.Boolean,
        "characters": pl.UInt32,  # of the full text in NFC, white space left out
        "old": pl.Boolean,  # whether the base has this occurrence too; false where there is no base
    }
)
"""What is known of every row, some 100 bytes; the ids are mapped from disk, and paged in where somebody asks."""


def rows_of(examples: pl.DataFrame) -> pl.DataFrame:
    """The rows of a shard (schema `ROWS`, all of them new) from its canonical examples."""
    full = Frames(examples, pl.DataFrame(schema=MALFORMED)).full
    # Accents written apart do not make a text longer: of such a copy and another, the smaller id decides.
    foreign = (full.str.len_bytes() != full.str.len_chars()).arg_true()
    full = full.scatter(foreign, full.gather(foreign).str.normalize("NFC"))
    return examples.select(
        "id",
        # Frames that were written by hand may have ids that are no digests.
        pl.col("id")
        .str.head(16)
        .str.to_integer(base=16, dtype=pl.UInt64, strict=False)
        .fill_null(pl.col("id").hash())
        .alias("key"),
        pl.col("file").cast(ROWS["file"]),
        "row",
        "kind",
        "split",
        "label",
        (full.str.len_chars() - full.str.count_matches(r"\s")).cast(pl.UInt32).alias("characters"),
        pl.lit(False).alias("old"),
    )


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive examples of one file, in memory or on disk."""

    height: int
    load: Callable[[Sequence[str] | None], pl.DataFrame]
    """Its examples (schema `EXAMPLES`), or some columns of them."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The rows of a dataset that a check of the dataset compares."""

    rows: pl.DataFrame
    """Schema `ROWS`, one per example."""
    features: pl.LazyFrame
    """What the check's `features` gave for each shard, one below the other, in the order of `rows`."""
    shards: tuple[Shard, ...]
    malformed: pl.DataFrame
    """Schema `MALFORMED`."""
    files: tuple[SourceFile, ...] = ()
    cards: Mapping[str, str] = field(default_factory=dict)
    """The text of each dataset card (README.md) in or beside the data, by path."""
    base: Corpus | None = None
    """The rows that the dataset is compared with, with the features of the same check."""

    @classmethod
    def of(
        cls,
        frames: Frames,
        features: pl.DataFrame,
        *,
        files: Sequence[SourceFile] = (),
        cards: Mapping[str, str] | None = None,
        base: Corpus | None = None,
    ) -> Corpus:
        """Rows that are in memory, as one shard."""
        examples = frames.examples
        shard = Shard(examples.height, lambda columns: examples.select(columns or pl.all()))
        return cls(
            rows_of(examples), features.lazy(), (shard,), frames.malformed, tuple(files), dict(cards or {}), base
        )

    def marked(self, old: pl.Series) -> Corpus:
        """The same, where it is known of each row whether the base has it too."""
        return replace(self, rows=self.rows.with_columns(old=old))

    def locate(self, positions: Positions) -> pl.DataFrame:
        """The columns `id`, `file` and `row` of some rows, in the order asked for."""
        rows = self.rows.select("id", "file", "row")[np.asarray(positions, dtype=np.int64)]
        return rows.with_columns(pl.col("file").cast(pl.String))

    def examples(self, positions: Positions, columns: Sequence[str] = tuple(EXAMPLES)) -> pl.DataFrame:
        """Some rows as canonical examples (schema `EXAMPLES`, or some columns of it), in the order asked for; a few
        thousand, or as many as memory holds."""
        wanted = np.asarray(positions, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        in_order = wanted[order]
        nothing = pl.DataFrame(schema={name: EXAMPLES[name] for name in columns})
        starts = np.cumsum([0, *(shard.height for shard in self.shards)])
        first = np.searchsorted(in_order, starts)

        def of_shard(number: int) -> pl.DataFrame:
            own = in_order[first[number] : first[number + 1]]
            return self.shards[number].load(list(columns))[own - starts[number]] if own.size else nothing

        parts = [nothing, *side_by_side(of_shard, range(len(self.shards)), _THREADS)]
        back = np.empty(order.size, dtype=np.int64)
        back[order] = np.arange(order.size)
        return pl.concat(parts)[back]
