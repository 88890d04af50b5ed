"""The runs of a store: a folder each, what it is called, how it stands, and who holds it.

    .gate/runs/support-desk-lora-1/run.json       what the trainer was told (gate.training.run_file)
                                   state.json     how the run stands (this module)
                                   recipe.json    the recipe as it was resolved, with the place of every key
                                   events.jsonl   what the trainer told (gate.training.events)
                                   log.txt        all that it printed
                                   checkpoints/   to go on from
                                   candidate/     what came out

A run is held by a lock on a file in its folder, which the processes that train inherit: as long as one of them lives,
nobody else touches the folder, and when all are gone the lock is, too, however they ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gate.errors import GateError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.moments import now
from gate.provenance.statements import Statement, Training
from gate.store.files import refused
from gate.store.objects import Damaged, StoreError, named
from gate.training.model_files import hashed_files, model_digest
from gate.training.run_file import Digest

State = Literal["prepared", "running", "finished", "failed", "interrupted"]
"""`prepared`: everything was checked, and the trainer was not started. `finished` says that the training statement is
sealed. A run whose processes are gone without a word counts as `interrupted`."""

_LONGEST = 64
"""Characters of a name (gate.store.objects)."""


class Busy(UsageError):
    """The run is held by another process."""


class Attempt(BaseModel):
    """One time that the trainer ran."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    started: str
    """UTC, RFC 3339 with microseconds."""
    ended: str | None = None
    exit_code: int | None = None
    resumed: int | None = None
    """The step that it went on from; None: from the beginning."""


class RunState(BaseModel):
    """`state.json`: how a run stands."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    format: Literal[1] = 1
    state: State = "prepared"
    recipe: str
    """What the recipe is called."""
    recipe_digest: Digest
    """Of recipe.json."""
    script: Digest
    """SHA-256 of the trainer's script."""
    script_name: str
    script_path: str
    launch: str
    """`cpu`, `one`, `ddp`, …, or the file."""
    launch_path: str
    """Of the configuration of accelerate."""
    attempts: list[Attempt] = []
    message: str | None = None
    """Why it is not finished, in sentences."""
    statement: Digest | None = None
    """The training statement, once it is sealed."""
    model: Digest | None = None
    """What came out."""

    def write(self, folder: Path) -> None:
        """Write it whole.

        Raises:
            StoreError: no room, or no permission.
        """
        temporary = folder / ".state.json.tmp"
        try:
            temporary.write_text(self.model_dump_json(indent=1), "utf-8")
            temporary.replace(folder / "state.json")
        except OSError as error:
            raise refused(error, temporary) from None

    def with_attempt(self, **changes: object) -> RunState:
        """The same with its last attempt changed."""
        last = self.attempts[-1].model_copy(update=changes)
        return self.model_copy(update={"attempts": [*self.attempts[:-1], last]})


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run in the store, as it lies there."""

    name: str
    folder: Path
    state: RunState
    running: bool
    """Whether a process holds it."""

    @property
    def stands(self) -> State:
        """How it stands, its processes looked at."""
        if self.running:
            return "running"
        return "interrupted" if self.state.state == "running" else self.state.state


def runs_folder(store: Path) -> Path:
    """The folder of a store's runs, which is made with the first of them."""
    return store.resolve() / "runs"


def new_run(store: Path, name: str | None, dataset: str, recipe: str) -> Path:
    """Make the folder of a new run, which nobody else has.

    Args:
        name: as the user wants it called; else it is DATASET-RECIPE-N, with the first number that is free.

    Raises:
        UsageError: there is a run of that name, or it is no name.
        StoreError: the folder cannot be made.
    """
    runs = runs_folder(store)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        if not (runs / ".gitignore").exists():
            (runs / ".gitignore").write_text("*\n", "utf-8")  # models and copies of rows are nothing for git
        if name is not None:
            folder = runs / named(name)
            try:
                folder.mkdir()
            except FileExistsError:
                raise UsageError(
                    f"there is a run {name} already",
                    where=os.fspath(folder),
                    remedy=f"choose another --name; to go on with it: gate train --resume {name}",
                ) from None
            return folder
        number = 1
        while True:
            folder = runs / _numbered(dataset, recipe, number)
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
            number += 1
    except OSError as error:
        raise refused(error, runs / "x") from None


def _numbered(dataset: str, recipe: str, number: int) -> str:
    """DATASET-RECIPE-N, cut so that it is a name."""
    end = f"-{number}"
    plain = re.sub(r"[^a-z0-9._-]+", "-", f"{dataset}-{recipe}".lower()).replace("..", ".").strip("._-") or "run"
    return named(plain[: _LONGEST - len(end)].rstrip("._-") + end)


def find_run(store: Path, name: str) -> RunFolder:
    """A run by its name.

    Raises:
        UsageError: there is none, or its state cannot be read.
    """
    runs = runs_folder(store)
    folder = runs / name
    if "/" in name or name in ("", ".", "..") or not (folder / "state.json").is_file():
        names = sorted(each.parent.name for each in runs.glob("*/state.json"))
        from difflib import get_close_matches

        close = get_close_matches(name, names, n=1)
        listed = f"did you mean {close[0]}?" if close else "`gate runs ls` lists them" if names else "there is none yet"
        raise UsageError(f"there is no run {name[:100]!r}", where=os.fspath(runs), remedy=listed)
    return _read(folder)


def every_run(store: Path) -> list[RunFolder]:
    """All runs, the latest first; a folder whose state cannot be read is no run."""
    found = []
    for path in runs_folder(store).glob("*/state.json"):
        with contextlib.suppress(UsageError):
            found.append(_read(path.parent))
    return sorted(found, key=lambda run: (_begun(run), run.name), reverse=True)


def _begun(run: RunFolder) -> str:
    return run.state.attempts[0].started if run.state.attempts else ""


def _read(folder: Path) -> RunFolder:
    try:
        state = RunState.model_validate_json((folder / "state.json").read_bytes())
    except (OSError, ValidationError):
        raise UsageError(
            "its state cannot be read", where=os.fspath(folder / "state.json"), remedy="start a new run"
        ) from None
    return RunFolder(folder.name, folder, state, _held(folder))


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[int]:
    """Hold a run. The file descriptor that is yielded may be handed to the processes that train: the lock is theirs
    then, too.

    Raises:
        Busy: somebody else does.
        StoreError: the lock cannot be written.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise refused(error, folder / ".lock") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                "the run is going on: a process holds it",
                where=os.fspath(folder),
                remedy=f"wait until it has ended; `gate runs show {folder.name}` tells how far it is",
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _held(folder: Path) -> bool:
    try:
        with holding(folder):
            return False
    except Busy:
        return True
    except (GateError, StoreError):
        return False  # a store that nobody may write to


def begun(state: RunState, resumed: int | None) -> RunState:
    """The state as an attempt begins."""
    attempt = Attempt(started=now(), resumed=resumed)
    return state.model_copy(update={"state": "running", "message": None, "attempts": [*state.attempts, attempt]})


def ended(state: RunState, how: State, exit_code: int, message: str | None = None) -> RunState:
    """The state as an attempt has ended."""
    return state.with_attempt(ended=now(), exit_code=exit_code).model_copy(update={"state": how, "message": message})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a run made, and what was said of it."""

    folder: Path
    """Where its files lie."""
    digest: str
    """gate.training.model_files.model_digest of what lies there now."""
    statement: Statement | None
    """The training statement of that digest; None: nobody has said what these files are. Whether its author is
    trusted is for `gate.provenance.trust` to say."""
    run: str | None
    """The run's name, where the folder is one of this store's."""


def find_candidate(what: str, ledger: Ledger) -> Candidate:
    """A candidate by what a person calls it: a folder, a run of the store, a model's digest (eight or more digits), or
    the training statement's.

    Its files are hashed, and the statement is the one about exactly these files.

    Raises:
        UsageError: there is no such model, or more than one.
        Damaged: the files of a run are not what its training statement says; or a statement in the store is none.
    """
    said = [one for one in ledger.all() if isinstance(one.about, Training)]
    folder, run, meant = Path(what), None, list[Statement]()
    in_store = runs_folder(ledger.store.root) / what
    if "/" not in what and (in_store / "state.json").is_file():
        run = find_run(ledger.store.root, what)
        if run.state.statement is None:
            raise UsageError(
                f"the run {what} has no candidate: it is {run.stands}",
                where=os.fspath(run.folder),
                remedy=f"gate train --resume {what}",
            )
        meant = [one for one in said if one.digest == run.state.statement]
        folder = run.folder / "candidate"
    elif not folder.is_dir():
        digits = what.lower().removeprefix("sha256:")
        if re.fullmatch(r"[0-9a-f]{8,64}", digits):
            meant = [one for one in said if digits == one.digest[: len(digits)] or _model(one).startswith(digits)]
        if not meant:
            raise UsageError(
                f"there is no run, model or folder {what[:100]!r}",
                where=os.fspath(ledger.store.root),
                remedy="`gate runs ls` lists the runs",
            )
        if len({_model(one) for one in meant}) > 1:
            raise UsageError(f"{len(meant)} models begin with {what}", remedy="write more digits")
        folder = _folder_of(meant, ledger)
    if not folder.is_dir():
        raise Damaged("the candidate's folder is gone", where=os.fspath(folder), remedy="train it anew")
    digest = model_digest(hashed_files(folder))
    if meant and digest not in {_model(one) for one in meant}:
        raise Damaged(
            f"its files are not those of the training statement {meant[0].digest[:12]}",
            where=os.fspath(folder),
            remedy=f"gate verify {meant[0].digest[:12]} names the file; restore it, or train anew",
        )
    own = [one for one in said if _model(one) == digest]
    return Candidate(folder, digest, own[0] if own else None, run.name if run else None)


def _model(one: Statement) -> str:
    assert isinstance(one.about, Training)
    return one.about.model


def _folder_of(meant: list[Statement], ledger: Ledger) -> Path:
    """The run of this store that made it: the same model may have come of several."""
    runs = runs_folder(ledger.store.root)
    folders = [runs / one.about.name / "candidate" for one in meant if isinstance(one.about, Training)]
    return next((each for each in folders if each.is_dir()), folders[0])
