"""The lock on the data: a run reads snapshots that are approved and whole, and nothing else.

Every snapshot that flags or the recipe name is opened (verified, byte by byte) before anything else of a run happens.
The trainer's own process opens them once more, since it is the one that reads rows.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.trust import Trust, load_trust
from gate.snapshots.open import Snapshot, opened
from gate.store.objects import Store
from gate.training.recipe import Recipe
from gate.training.rows import FITTING
from gate.training.run_file import Run, SnapshotUse

Role = Literal["train", "replay", "ewc"]
Opened = list[tuple[SnapshotUse, Snapshot]]
OnStage = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A snapshot that a run asks for."""

    what: str
    role: Role
    weight: float | None = None


def wanted_by(snapshots: Sequence[str], recipe: Recipe) -> list[Wanted]:
    """Those that flags and the recipe name.

    Raises:
        UsageError: there is none, or a weight is none.
    """
    if not snapshots:
        raise UsageError("no snapshot is named", remedy="name one with --snapshot (`gate snapshots ls`)")
    wanted = []
    for text in snapshots:
        what, equals, share = text.rpartition("=") if "=" in text else (text, "", "")
        wanted.append(Wanted(what, "train", _weight(share, text) if equals else None))
    if recipe.replay is not None:
        wanted.append(Wanted(recipe.replay.snapshot, "replay"))
    if recipe.ewc is not None:
        wanted.append(Wanted(recipe.ewc.snapshot, "ewc"))
    return wanted


def _weight(text: str, given: str) -> float:
    with contextlib.suppress(ValueError):
        weight = float(text)
        if math.isfinite(weight) and weight > 0:
            return weight
    raise UsageError(f"{text!r} is no weight", where=f"--snapshot {given}", remedy="a number above 0, as in NAME=2")


def open_all(wanted: Sequence[Wanted], ledger: Ledger, trust: Trust, on_stage: OnStage) -> Opened:
    """The lock: every snapshot verified and approved, or an error that names the broken link.

    Raises:
        as `gate.open_snapshot`; UsageError: a file in place of a snapshot, or one snapshot twice.
    """
    found: Opened = []
    for one in wanted:
        _no_file(one.what, ledger)
        stage = f"verifying {one.what[:40]}"
        snapshot = opened(ledger, trust, one.what, lambda done, total, stage=stage: on_stage(stage, done, total))  # type: ignore[misc]
        use = SnapshotUse(
            snapshot=snapshot.id,
            name=snapshot.admission.name,
            statement=snapshot.statement.digest,
            role=one.role,
            weight=one.weight,
        )
        if any((use.snapshot, use.role) == (other.snapshot, other.role) for other, _ in found):
            raise UsageError(f"the snapshot {one.what} is named twice", remedy="NAME=WEIGHT makes it count more")
        found.append((use, snapshot))
    return found


def open_again(run: Run, use: SnapshotUse) -> Snapshot:
    """A snapshot of a run in the trainer's process, as `gate.open_snapshot` opens it.

    Raises:
        as `gate.open_snapshot`.
    """
    trust = load_trust(None if run.trust is None else Path(run.trust), revision=run.trust_revision)
    return opened(Ledger(Store(Path(run.store))), trust, use.snapshot)


def _no_file(what: str, ledger: Ledger) -> None:
    """Raises: UsageError: what is named is a file or a folder, and training takes snapshots only."""
    known = what in ledger.store.refs()
    if not known and ("/" in what or Path(what).suffix in _DATA or Path(what).exists()):
        raise UsageError(
            "training reads approved snapshots only, and no flag makes it read a file",
            where=what,
            remedy=f"gate admit {what} --name NAME; gate approve NAME; gate train --snapshot NAME",
        )


_DATA = {".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".zst", ".gz", ".arrow", ".yaml"}


def mixed(uses: Opened, recipe: Recipe) -> Opened:
    """The weights that the recipe gives, where no flag does.

    Raises:
        UsageError: it names a snapshot that is not among them.
    """
    if recipe.mixture is None:
        return uses
    names = {use.name for use, _ in uses if use.role == "train"}
    if unknown := [name for name in recipe.mixture if name not in names]:
        raise UsageError(
            f"the recipe's mixture names {unknown[0]}, which is not among the snapshots",
            remedy=f"add --snapshot {unknown[0]}, or take it out: --set mixture.{unknown[0]}=null",
        )
    return [
        (use.model_copy(update={"weight": recipe.mixture.get(use.name)}), snapshot)
        if use.role == "train" and use.weight is None
        else (use, snapshot)
        for use, snapshot in uses
    ]


def check_trainable(recipe: Recipe, uses: Opened) -> None:
    """That there is something to train on, and of a kind that the objective learns from.

    Raises:
        UsageError: there is not.
    """
    objective = recipe.objective
    for use, snapshot in uses:
        if not snapshot.counts.get("train"):
            raise UsageError(
                "its train split is empty: there is nothing to train on",
                where=f"snapshot {use.name}",
                remedy="admit more data; `gate snapshots show` tells how it was divided",
            )
        if use.role == "train":
            kinds = _kinds(snapshot, FITTING[objective])
            if kinds.isdisjoint(FITTING[objective]):
                fitting = [name for name, fit in FITTING.items() if not kinds.isdisjoint(fit)]
                raise UsageError(
                    f"its examples are of kind {' and '.join(sorted(kinds))}, and {objective} learns from "
                    f"{' or '.join(FITTING[objective])}",
                    where=f"snapshot {use.name}",
                    remedy=f"take a recipe whose objective is {', '.join(fitting)} (`gate recipes ls`)",
                )


def _kinds(snapshot: Snapshot, wanted: Collection[str]) -> set[str]:
    """The kinds of the examples to train on, as far as the first that is wanted: a snapshot may hold several."""
    found: set[str] = set()
    for examples in snapshot.examples("train", ["kind"]):
        found.update(map(str, examples["kind"].unique()))
        if not found.isdisjoint(wanted):
            break
    return found
