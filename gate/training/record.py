"""The training record: what came out of a run, from what, how, and what became of every row, as a signed statement.

gate's own process writes it, not the trainer: files are hashed where they lie, and the trainer's books are held against
the snapshots once more. Nothing is sealed whose books do not close.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import polars as pl
from pydantic import ValidationError

from gate.errors import GateError
from gate.provenance.envelope import Signer, canonical
from gate.provenance.ledger import Ledger
from gate.provenance.standing import standing
from gate.provenance.statements import OutputFile, Statement, TrainedOn, Training
from gate.provenance.trust import Trust
from gate.snapshots.open import NotApproved, Snapshot
from gate.store.files import hash_file, refused
from gate.store.objects import StoreError
from gate.training.environment import environment_document
from gate.training.events import FILE as EVENTS
from gate.training.history import History, number
from gate.training.model_files import hashed_files, model_digest
from gate.training.retention import FILE as SUITE
from gate.training.run_file import Run, SnapshotUse

ACCOUNTING = "accounting.parquet"
CANARIES = "canaries.json"
CRITERIA = "criteria.json"
STATEMENT = "statement.json"
_ENDED = ("finished", "early_stop", "forgetting", "interrupted")

Ended = Literal["finished", "early_stop", "forgetting", "interrupted"]


class NotRecorded(GateError):
    """The run ended, and what it left cannot be vouched for: there is no training statement."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What is recorded beside the run itself."""

    recipe: Mapping[str, object]
    """As it was resolved."""
    script: str
    """SHA-256 of the trainer's script."""
    environment: Mapping[str, str]
    """The variables that the trainer was started with."""


def record(
    run: Run,
    opened: Sequence[tuple[SnapshotUse, Snapshot]],
    history: History,
    facts: Facts,
    ledger: Ledger,
    trust: Trust,
    signer: Signer,
    on_stage: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Statement:
    """Seal the training statement of a run that has ended, with everything that it names.

    Raises:
        NotRecorded: there is no candidate, the books do not close, the base changed, or what the trainer told is not
            enough to say how it went.
        NotApproved: a snapshot was revoked or rejected while the run trained on it.
        StoreError: there is no room.
    """
    on_stage("recording", 0, 4)
    for use, _ in opened:
        stands = standing(ledger, trust, use.snapshot)
        if stands.status != "approved":
            raise NotApproved(
                f"{use.name} is not approved any more ({stands.status}): {'; '.join(stands.reasons)}",
                where=use.snapshot[:12],
                remedy="no statement is made for what was trained on it; train on another snapshot",
            )
    outputs = _outputs(run)
    on_stage("recording", 1, 4)
    _base_unchanged(run)
    on_stage("recording", 2, 4)
    fates = read_fates(run.place / ACCOUNTING)
    trained_on = [_trained_on(at, use, snapshot, fates) for at, (use, snapshot) in enumerate(opened)]
    store = ledger.store
    about = _about(run, history, outputs, trained_on, facts)
    device = str(about["device"])
    try:
        events = without_samples((run.place / EVENTS).read_bytes())
        objects: dict[str, str | None] = {
            "recipe": store.put(canonical(dict(facts.recipe)), "json"),
            "environment": store.put(canonical(environment_document(facts.environment, device=device)), "json"),
            "accounting": store.put((run.place / ACCOUNTING).read_bytes(), "parquet"),
            "curves": store.put(events, "jsonl"),
            "canary_strings": _canaries(run, store.put),
            "retention_suite": _suite(run, store.put),
            "criteria": _criteria(run, store.put),
        }
    except StoreError:
        raise
    except OSError as error:
        raise NotRecorded(f"it cannot be read ({error.strerror})", where=str(error.filename or run.place)) from None
    on_stage("recording", 3, 4)
    try:
        said = Training.model_validate(about | objects)
    except ValidationError as error:
        first = error.errors()[0]
        raise NotRecorded(
            f"the trainer did not tell {'.'.join(map(str, first['loc']))} as it should ({first['msg']})",
            where=run.name,
            remedy="compare your script with gate's own: gate.training.session and finish tell what is recorded",
        ) from None
    statement = ledger.say(said, signer)
    try:
        shutil.copyfile(store.statement_path(statement.digest), run.place / STATEMENT)
    except OSError as error:
        raise refused(error, run.place / STATEMENT) from None
    on_stage("recording", 4, 4)
    return statement


def _about(
    run: Run, history: History, outputs: dict[str, OutputFile], trained_on: list[TrainedOn], facts: Facts
) -> dict[str, object]:
    end = history.end
    if end is None or end.fields.get("reason") not in _ENDED:
        raise NotRecorded(
            "the trainer did not tell how it ended", where=run.name, remedy=f"gate train --resume {run.name}"
        )
    told = end.fields
    return {
        "name": run.name,
        "model": model_digest({path: file.sha256 for path, file in outputs.items()}),
        "outputs": outputs,
        "base": run.base.digest,
        "base_name": base_name(run),
        "snapshots": trained_on,
        "objective": run.recipe.objective,
        "method": run.recipe.method,
        "script": facts.script,
        "seed": run.recipe.seed,
        "canaries": run.recipe.canaries,
        "steps": _count(told.get("step"), history.step),
        "best_step": _count(told.get("best_step"), _count(told.get("step"), history.step)),
        "ended": told["reason"],
        "seconds": _count(told.get("seconds")),
        "tokens": _count(told.get("tokens")),
        "peak_bytes": _count(told.get("peak_memory")),
        "device": history.device or "unknown",
        "trainable": history.trainable,
        "parameters": history.total,
        "findings": history.codes,
    }


def _count(value: object, default: int = 0) -> int:
    figure = number(cast("float | None", value))
    return default if figure is None else max(0, round(figure))


def without_samples(events: bytes) -> bytes:
    """Events as they are sealed: what samples say stays in the run's folder, since it repeats examples, and what is
    sealed for good must not hold what somebody may want erased."""
    return b"".join(line for line in events.splitlines(keepends=True) if b'"event": "samples"' not in line[:40])


def base_name(run: Run) -> str:
    """How the base is called where others read it: a hub's id as it is, of a folder only its own name."""
    return run.base.name if run.base.revision else Path(run.base.path).name or "base"


def _outputs(run: Run) -> dict[str, OutputFile]:
    """Every file of the candidate, hashed where it lies.

    Raises:
        NotRecorded: there is none.
    """
    try:
        found = {path: (digest, (run.candidate / path).stat().st_size) for path, digest in
                 hashed_files(run.candidate).items()}  # fmt: skip
    except OSError as error:
        raise NotRecorded(f"it cannot be read ({error.strerror})", where=str(error.filename)) from None
    if not found:
        raise NotRecorded("the trainer left no candidate", where=run.name, remedy=f"gate train --resume {run.name}")
    return {path: OutputFile(sha256=digest, bytes=size) for path, (digest, size) in found.items()}


def _base_unchanged(run: Run) -> None:
    """That the base is still what was checked before.

    Raises:
        NotRecorded: a file of it changed while the run trained.
    """
    for name, digest in run.base.files.items():
        if _followed(Path(run.base.path) / name) != digest:
            raise NotRecorded(
                "the base changed while the run trained: nobody can say what the candidate was made of",
                where=f"{run.base.name}/{name}",
                remedy="train anew on a base that nothing writes to",
            )


def _followed(path: Path) -> str | None:
    """The digest of what a link leads to: a hub's cache is made of links."""
    try:
        return hash_file(path.resolve())[0]
    except OSError:
        return None


def read_fates(path: Path) -> pl.DataFrame:
    """The trainer's books: gate.training.accounting.FATES.

    Raises:
        NotRecorded: there are none, or they are none.
    """
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise NotRecorded(f"the row accounting cannot be read ({said})", where=str(path)) from None


def _trained_on(at: int, use: SnapshotUse, snapshot: Snapshot, fates: pl.DataFrame) -> TrainedOn:
    """What became of a snapshot's train split, row by row.

    Raises:
        NotRecorded: the books name other rows than the split has.
    """
    split = pl.concat([pl.DataFrame(schema={"id": pl.String}), *snapshot.examples("train", ["id"])])
    own = fates.filter(pl.col("use") == at)
    if use.role == "ewc" and own.is_empty():  # it is looked at, and not trained on
        counts = {"trained": 0, "dropped": 0, "unseen": split.height, "truncated": 0}
    else:
        if not split["id"].sort().equals(own["id"].cast(pl.String).sort()):
            raise NotRecorded(
                f"the books do not close: {own.height:,} rows of {use.name} are accounted for, and its train split has "
                f"{split.height:,}" + ("" if own.height != split.height else ", which are others"),
                where=ACCOUNTING,
                remedy="compare your script with gate's own: every row is trained, dropped or unseen",
            )
        fate = own["fate"].cast(pl.String)
        counts = {name: int((fate == name).sum()) for name in ("trained", "dropped", "unseen")}
        counts["truncated"] = int(((own["cut_tokens"] > 0) & (fate == "trained")).sum())
    if counts["trained"] + counts["dropped"] + counts["unseen"] != split.height:
        raise NotRecorded(f"the books of {use.name} do not close", where=ACCOUNTING)
    return TrainedOn(
        snapshot=use.snapshot, statement=use.statement, name=use.name, role=use.role, rows=split.height, **counts
    )


def _canaries(run: Run, put: Callable[[bytes, str], str]) -> str | None:
    """The marked strings as an object of their own.

    Raises:
        NotRecorded: there should be some, and there are none.
    """
    if not run.recipe.canaries:
        return None
    try:
        return put((run.place / CANARIES).read_bytes(), "json")
    except FileNotFoundError:
        raise NotRecorded("the recipe has canaries, and none are recorded", where=run.name) from None


def _suite(run: Run, put: Callable[[bytes, str], str]) -> str | None:
    """The items that the forgetting monitor scored, as an object.

    Raises:
        NotRecorded: there should be some, and there are none.
    """
    if run.recipe.monitor is None:
        return None
    try:
        return put((run.place / SUITE).read_bytes(), "jsonl")
    except FileNotFoundError:
        raise NotRecorded("the recipe has a monitor, and its suite is not recorded", where=run.name) from None


def _criteria(run: Run, put: Callable[[bytes, str], str]) -> str | None:
    """The promotion policy that was declared before training, as an object.

    Raises:
        NotRecorded: it is not there, or is another one than it was then.
    """
    if run.criteria is None:
        return None
    path = run.place / CRITERIA
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotRecorded("the criteria that were declared before training are gone", where=str(path)) from None
    if hashlib.sha256(content).hexdigest() != run.criteria:
        raise NotRecorded(
            "the criteria are not those that were declared before training",
            where=str(path),
            remedy="put the file back; a candidate is judged by other criteria with gate promote --policy",
        )
    return put(content, "json")


__all__ = ["ACCOUNTING", "CRITERIA", "STATEMENT", "Facts", "NotRecorded", "base_name", "read_fates", "record"]
