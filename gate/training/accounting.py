"""What became of every row: of each snapshot train split = trained + dropped + unseen, by id.

Replay, repeats and canaries are counted apart. The books are opened when the rows are tokenised, checked against what
the recipe tolerates before a model is loaded, and closed when training has ended; books that do not close are an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import polars as pl

from gate.errors import GateError, UsageError
from gate.training.canaries import canaries_document
from gate.training.events import Events, Value
from gate.training.order import times_seen
from gate.training.rows import Rows, Source
from gate.training.run_file import Run
from gate.training.tolerance import REASONS, Limits, intolerable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Fate = Literal["trained", "dropped", "unseen"]

__all__ = ["FATES", "REASONS", "Account", "BooksOpen", "Outcome", "Placed"]

FATES = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "use": pl.Int16,  # which of `run.snapshots`; null for a canary
        "snapshot": pl.String,  # its id; null for a canary
        "kind": pl.Enum(["data", "replay", "canary", "ewc"]),
        "id": pl.String,  # content id; of a canary the digest of its text
        "fate": pl.Enum(["trained", "dropped", "unseen"]),
        "reason": pl.String,  # of what was dropped or is unseen; null for what was trained on
        "draws": pl.UInt32,  # how often it stands in the set that a pass reads
        "times": pl.UInt32,  # how often the candidate has learned from it, over all passes
        "tokens": pl.UInt64,  # that the candidate has read of it, over all passes
        "cut_tokens": pl.UInt32,  # learned from in full without `max_length`, and lost to it
        "lost_end": pl.Boolean,  # whether the end of its last turn is among those
    }
)
"""Of accounting.parquet: a row per row of each train split and per canary, the same content as often as it is there."""

_CANARY = -1
_OTHER = "other"


class BooksOpen(GateError):
    """The accounting does not close: nothing that this run made can be trusted."""

    exit_code = 4


class State(Protocol):
    """`transformers.TrainerState`, as far as it is used."""

    global_step: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row when it was tokenised."""

    needed: int
    """Tokens up to the last one that is learned."""
    kept: int
    """Tokens that stand in the set; 0 for one that is dropped."""
    least: int | None
    """The smallest `max_length` at which it is not dropped; None where it always is."""
    reason: str | None = None
    """Why it is dropped."""
    lost_end: bool = False

    @property
    def cut(self) -> int:
        """Tokens that were lost to `max_length`; of a dropped row none is counted."""
        return 0 if self.reason else self.needed - self.kept


@dataclass(frozen=True, slots=True)
class Placed:
    """Where rows stand in the set: entry by entry a position, a draw (an index into `Rows.train`) and its tokens."""

    positions: NDArray[np.int64]
    draws: NDArray[np.int64]
    tokens: NDArray[np.int64]
    groups: NDArray[np.int8]
    """Of each position: the kind of its rows (0 data, 1 replay, 2 canary); its length is the set's."""


@dataclass(slots=True)
class Account:
    """The books of a run."""

    rows: Rows
    outcomes: Sequence[Outcome]
    """Of each of `rows.train`."""
    placed: Placed
    limits: Limits
    per_step: int
    """Positions that an optimiser step reads."""
    template: str | None
    """The digest of the chat template."""
    preview: dict[str, object]
    """What preview.json says."""
    validation: dict[str, int]
    """`rows`, `dropped` and `truncated` of the validation split."""

    def settle(self, run: Run, events: Events) -> None:
        """Write accounting.parquet, accounting.json, preview.json and canaries.json before anything is trained.

        Raises:
            Intolerable: more rows would be dropped or cut than the recipe tolerates.
            UsageError: nothing is left to train on, or to validate.
            BooksOpen: the books do not close.
        """
        for code, message in self.rows.notes if run.resume is None else ():  # else it has been said
            events.say("finding", code=code, step=0, message=message, remedy=None, severity="warning")
        planned = self._fates(self._every_position(1), self._every_position(1))
        self._write(run, planned, closed=False)
        if _writes():
            _put(run.place / "preview.json", self.preview)
            if self.rows.canaries:
                snapshot = next(source.of.snapshot for source in self.rows.sources if source.of.role == "train")
                document = canaries_document(self.rows.canaries, self.rows.controls, run.recipe.seed, snapshot)
                _put(run.place / "canaries.json", document)
        for source in self.rows.sources:
            mine = [
                (row.id, outcome)
                for row, outcome in zip(self.rows.train, self.outcomes, strict=True)
                if row.use == source.use and not row.repeat
            ]
            if source.of.role != "ewc" and (refusal := intolerable(source, mine, run, self.limits)):
                raise refusal
        for what, left in (
            ("train on", self.placed.groups.size),
            ("validate", self.validation["rows"] - self.validation["dropped"]),
        ):
            if not left:
                raise UsageError(
                    f"no row is left to {what} at max_length={self.limits.max_length}",
                    where=run.name,
                    remedy="a larger max_length, or rows that have an answer",
                )

    def after_training(self, run: Run, state: State, kept_step: int | None = None) -> dict[str, object]:
        """Close the books: what the candidate has learned from, and what it has not.

        Args:
            state: of the trainer when training had ended.
            kept_step: the optimiser step whose weights became the candidate; where it is not said, the trainer's best
                one (`best_global_step`), else the last.

        Returns:
            What accounting.json says.

        Raises:
            BooksOpen: the books do not close.
        """
        last = state.global_step
        best: int = getattr(state, "best_global_step", None) or last
        kept = min(best if kept_step is None else kept_step, last)
        fates = self._fates(self._seen(run, kept), self._seen(run, last))
        return self._write(run, fates, closed=True, steps=last, kept=kept)

    def _seen(self, run: Run, steps: int) -> NDArray[np.int64]:
        return times_seen(self.placed.groups, run.recipe.seed, steps, self.per_step)

    def _every_position(self, times: int) -> NDArray[np.int64]:
        import numpy as np

        return np.full(len(self.placed.groups), times, np.int64)

    def _fates(self, kept: NDArray[np.int64], reached: NDArray[np.int64]) -> pl.DataFrame:
        """What became of every row (schema FATES), from how often the candidate has seen each position, and how often
        training reached it."""
        import numpy as np

        placed, count = self.placed, len(self.rows.train)
        times, ever = np.zeros(count, np.int64), np.zeros(count, np.int64)
        tokens = np.zeros(count, np.int64)
        np.maximum.at(times, placed.draws, kept[placed.positions])
        np.maximum.at(ever, placed.draws, reached[placed.positions])
        np.add.at(tokens, placed.draws, kept[placed.positions] * placed.tokens)
        train, outcomes = self.rows.train, self.outcomes
        drawn = pl.DataFrame(
            {
                "use": pl.Series([row.use for row in train], dtype=pl.Int16),
                "key": [str(row.place) if row.use != _CANARY else row.id for row in train],
                "times": times,
                "ever": ever,
                "tokens": tokens,
                "dropped": pl.Series([outcome.reason for outcome in outcomes], dtype=pl.String),
                "cut_tokens": [outcome.cut for outcome in outcomes],
                "lost_end": [outcome.lost_end for outcome in outcomes],
            }
        )
        by_row = drawn.group_by("use", "key", maintain_order=True).agg(
            pl.len().alias("draws"),
            pl.col("times", "ever", "tokens").sum(),
            pl.col("dropped").first(),
            pl.col("cut_tokens").max(),
            pl.col("lost_end").any(),
        )
        joined = self._everything().join(by_row, on=["use", "key"], how="left", maintain_order="left", coalesce=True)
        if joined["draws"].fill_null(0).sum() != count:
            raise BooksOpen(f"{count:,} rows were drawn, and {joined['draws'].sum():,} are known", where="accounting")
        trained, left_out = pl.col("times").fill_null(0) > 0, pl.col("dropped").is_not_null()
        unseen = (
            pl.when(pl.col("kind") == "ewc")
            .then(pl.lit("fisher"))
            .when(pl.col("key") == _OTHER)
            .then(pl.lit("other_kind"))
            .when(pl.col("draws").is_null())
            .then(pl.lit("not_drawn"))
            .when(pl.col("ever") > 0)
            .then(pl.lit("after_best"))
            .otherwise(pl.lit("not_reached"))
        )
        return joined.select(
            pl.when(pl.col("use") == _CANARY).then(None).otherwise(pl.col("use")).alias("use"),
            "snapshot",
            "kind",
            "id",
            pl.when(left_out).then(pl.lit("dropped")).when(trained).then(pl.lit("trained")).otherwise(pl.lit("unseen"))
            .alias("fate"),
            pl.when(left_out).then("dropped").when(trained).then(None).otherwise(unseen).alias("reason"),
            *(pl.col(name).fill_null(0) for name in ("draws", "times", "tokens", "cut_tokens")),
            pl.col("lost_end").fill_null(False),
        ).cast(FATES)  # fmt: skip

    def _everything(self) -> pl.DataFrame:
        """Every row of each train split and every canary, whether drawn or not."""
        schema = {"use": pl.Int16, "key": pl.String, "id": pl.String, "snapshot": pl.String, "kind": pl.String}
        frames = [
            pl.DataFrame({"id": [*source.ids, *source.others]}, schema={"id": pl.String})
            .with_row_index("key")
            .select(
                pl.lit(source.use, pl.Int16).alias("use"),
                # A row of another kind has no place among those that may be drawn.
                pl.when(pl.col("key") < len(source.ids)).then(pl.col("key").cast(pl.String)).otherwise(pl.lit(_OTHER)),
                "id",
                pl.lit(source.of.snapshot).alias("snapshot"),
                pl.lit("data" if source.of.role == "train" else source.of.role).alias("kind"),
            )
            for source in self.rows.sources
        ]
        canaries = pl.DataFrame(
            [(_CANARY, each.id, each.id, None, "canary") for each in self.rows.canaries], schema=schema, orient="row"
        )
        return pl.concat([*frames, canaries])

    def _write(
        self, run: Run, fates: pl.DataFrame, *, closed: bool, steps: int | None = None, kept: int | None = None
    ) -> dict[str, object]:
        said: dict[str, object] = {
            "format": 1,
            "closed": closed,
            "steps": steps,
            "kept_step": kept,
            "positions": len(self.placed.groups),
            "per_step": self.per_step,
            "max_length": self.limits.max_length,
            "context": self.limits.context,
            "template": self.template,
            "snapshots": [self._of(source, fates) for source in self.rows.sources],
            "canaries": _canary_figures(fates),
            "validation": self.validation,
            "trained_tokens": int(fates["tokens"].sum()),
            "notes": [{"code": code, "message": message} for code, message in self.rows.notes],
        }
        if _writes():
            temporary = run.place / ".accounting.parquet"
            fates.write_parquet(temporary)
            temporary.replace(run.place / "accounting.parquet")
            _put(run.place / "accounting.json", said)
        return said

    def _of(self, source: Source, fates: pl.DataFrame) -> dict[str, Value]:
        """The figures of one use of a snapshot.

        Raises:
            BooksOpen: they do not add up to its train split.
        """
        mine = fates.filter(pl.col("use") == source.use)
        counts: dict[str, int] = {str(fate): int(count) for fate, count in mine["fate"].value_counts().iter_rows()}
        trained, dropped, unseen = (counts.get(fate, 0) for fate in ("trained", "dropped", "unseen"))
        rows = len(source.ids) + len(source.others)
        if rows != trained + dropped + unseen or mine.height != rows:
            raise BooksOpen(
                f"its train split has {rows:,} rows, and {trained:,} trained + {dropped:,} dropped + {unseen:,} unseen "
                f"are {trained + dropped + unseen:,}",
                where=f"snapshot {source.of.name} {source.of.snapshot[:12]}",
                remedy="this is an error of gate's; please report it",
            )
        cut = mine.filter((pl.col("fate") == "trained") & (pl.col("cut_tokens") > 0))
        reasons = mine.filter(pl.col("reason").is_not_null())["reason"].value_counts().sort("reason")
        repeats = (mine["draws"].cast(pl.Int64) - 1).clip(0).sum()
        return {
            "snapshot": source.of.snapshot,
            "statement": source.of.statement,
            "name": source.of.name,
            "role": source.of.role,
            "rows": rows,
            "drawn": source.drawn,
            "repeats": int(repeats),
            "trained": trained,
            "dropped": dropped,
            "unseen": unseen,
            "truncated": cut.height,
            "lost_end": int(cut["lost_end"].sum()),
            "cut_tokens": int(cut["cut_tokens"].sum()),
            "tokens": int(mine["tokens"].sum()),
            "reasons": {str(reason): int(count) for reason, count in reasons.iter_rows()},
        }


def _canary_figures(fates: pl.DataFrame) -> dict[str, Value]:
    mine = fates.filter(pl.col("kind") == "canary")
    return {
        "inserted": mine.height,
        "draws": int(mine["draws"].sum()),
        "trained": mine.filter(pl.col("fate") == "trained").height,
        "dropped": mine.filter(pl.col("fate") == "dropped").height,
        "unseen": mine.filter(pl.col("fate") == "unseen").height,
        "tokens": int(mine["tokens"].sum()),
    }


def _writes() -> bool:
    """Whether this process is the one of a run that writes."""
    return os.environ.get("RANK", "0") == "0"


def _put(path: Path, document: dict[str, object]) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    temporary.replace(path)
