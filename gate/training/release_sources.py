"""A candidate that may be released: what its training statement says, and files that are those it names.

A candidate is found by its run's name, by its folder, or by the digest of the model. Nothing of it is loaded before
every file was hashed and held against a statement by somebody who is trusted, and nothing is released that rests on a
snapshot that was rejected, revoked or erased since.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gate.errors import GateError, InputError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.standing import standing
from gate.provenance.statements import Revocation, Statement, Training
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.naming import digits_of
from gate.snapshots.open import NotApproved
from gate.store.objects import Damaged
from gate.training.base_files import check_base
from gate.training.model_files import hashed_files, model_digest
from gate.training.recipe import Method
from gate.training.run_file import BaseModelUse, Run
from gate.training.runs import runs_folder
from gate.training.saving import CandidateFile, read_candidate_file


class Unrecorded(GateError):
    """No training statement stands for these files."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate, verified."""

    name: str
    """Its run's."""
    folder: Path
    """With its files."""
    statement: Statement
    training: Training
    said: CandidateFile
    """`gate.json` among its files."""
    weight: float

    @property
    def method(self) -> Method:
        return self.said.method


def find_source(what: str, weight: float, ledger: Ledger, trust: Trust) -> Source:
    """The candidate that a person means, every file of it hashed.

    Args:
        what: its run's name, its folder (or the run's), or eight or more digits of the model's digest.

    Raises:
        UsageError: there is none.
        Unrecorded: nobody trusted says that it was trained.
        Damaged: a file is not what the training statement says.
        NotApproved: a snapshot that it was trained on was rejected, revoked or erased since; or the model itself was.
    """
    statements = [each for each in ledger.all() if isinstance(each.about, Training)]
    folder, meant = _found(what, ledger, statements)
    try:
        files = hashed_files(folder)
    except OSError as error:
        where = os.fspath(error.filename or folder)
        raise Damaged(f"a file of the candidate cannot be read ({error.strerror})", where=where) from None
    statement = _statement(what, folder, files, statements, meant, trust)
    training = _training(statement)
    _still_stands(training, ledger, trust)
    said = read_candidate_file(folder)
    return Source(training.name, folder, statement, training, said, weight)


def find_base(source: Source, named: Path | None, allow_code: Sequence[str]) -> BaseModelUse:
    """The base that a candidate was trained from, its files hashed.

    Args:
        named: where it lies; None: where it lay while the candidate was trained.

    Raises:
        InputError: it is not there, or is another.
    """
    where = named or _base_of_run(source)
    if where is None or not where.is_dir():
        place = f" at {where}" if where else ""
        raise InputError(
            f"the base {source.training.base_name} is not there{place}", remedy="name its folder with --base DIR"
        )
    found = check_base(os.fspath(where), allow_code=allow_code)
    if found.digest != source.training.base:
        changed = _first_changed(source, found)
        raise BaseChanged(
            f"{changed or 'it'} is not what {source.name} was trained from: the digest is {found.digest[:12]}, and "
            f"the training statement says {source.training.base[:12]}",
            where=os.fspath(where),
            remedy="put the base back as it was, or name its folder with --base DIR",
        )
    return found


class BaseChanged(InputError):
    """The base is not the one that the candidate was trained from."""

    exit_code = 1


def linked(files: Sequence[str], source: Path, target: Path) -> None:
    """A folder of links to verified files and nothing else: what lies beside them is not seen by what loads it."""
    for name in files:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to((source / name).resolve())


def _found(what: str, ledger: Ledger, statements: list[Statement]) -> tuple[Path, Statement | None]:
    """The folder with the candidate's files, and the statement that it should be of, where the name says that."""
    runs = runs_folder(ledger.store.root)
    path = Path(what).expanduser()
    named = re.fullmatch(r"[\w][\w.-]*", what) is not None
    if named and (runs / what).is_dir():
        return _candidate(runs / what, what), _last(statements, what)
    if path.is_dir():
        folder = path.resolve()
        if (folder / "candidate").is_dir():
            return _candidate(folder, what), _last(statements, folder.name)
        run = folder.parent.name if folder.name == "candidate" and folder.parent.parent == runs.resolve() else None
        return folder, _last(statements, run) if run else None
    if (digits := digits_of(what)) is not None:
        found = [each for each in statements if _training(each).model.startswith(digits)]
        if len({_training(each).model for each in found}) > 1:
            raise UsageError(f"{what} begins several models' digests", remedy="write more of its digits")
        if found:
            name = _training(found[0]).name
            if not (runs / name).is_dir():
                raise UsageError(
                    f"the files of {name} are not in this store",
                    where=os.fspath(runs),
                    remedy="name the folder that they lie in",
                )
            return _candidate(runs / name, what), found[0]
    names = sorted({_training(each).name for each in statements})
    raise UsageError(
        f"there is no candidate {what[:100]!r}",
        where=os.fspath(runs),
        remedy=f"runs: {', '.join(names[:10])} (`gate runs ls`)" if names else "`gate train` makes one",
    )


def _candidate(run: Path, what: str) -> Path:
    folder = run / "candidate"
    if not folder.is_dir():
        raise UsageError(
            f"the run {what} has no candidate", where=os.fspath(run), remedy=f"gate runs show {run.name} tells why"
        )
    return folder


def _last(statements: list[Statement], run: str) -> Statement | None:
    own = [each for each in statements if _training(each).name == run]
    return own[-1] if own else None


def _statement(
    what: str,
    folder: Path,
    files: dict[str, str],
    statements: list[Statement],
    meant: Statement | None,
    trust: Trust,
) -> Statement:
    """The training statement that stands for these files, by somebody who is trusted."""
    model = model_digest(files)
    own = [each for each in statements if _training(each).model == model]
    untrusted: Untrusted | None = None
    for each in own:
        try:
            trust.vouched(each)
            return each
        except Untrusted as error:
            untrusted = error
    if untrusted is not None:
        raise untrusted
    if meant is not None:
        raise Damaged(
            f"{_difference(files, _training(meant))}: it is not what was trained",
            where=os.fspath(folder),
            remedy="restore the candidate from a copy, or train it anew",
        )
    raise Unrecorded(
        "no training statement in this store stands for these files",
        where=os.fspath(folder),
        remedy="only what `gate train` made and recorded is released; --store names another store",
    )


def _difference(files: dict[str, str], training: Training) -> str:
    wanted = {path: each.sha256 for path, each in training.outputs.items()}
    for path in sorted(wanted | files):
        if path not in files:
            return f"{path} is missing"
        if path not in wanted:
            return f"{path} is not part of it"
        if files[path] != wanted[path]:
            return f"{path} was changed"
    return "its files do not make the digest"


def _still_stands(training: Training, ledger: Ledger, trust: Trust) -> None:
    for each in training.snapshots:
        stands = standing(ledger, trust, each.snapshot)
        # A waiver that is over since was in force when it was trained on.
        if stands.status not in ("approved", "expired"):
            raise NotApproved(
                f"{training.name} was trained on {each.name}, which is not approved any more ({stands.status}): "
                f"{'; '.join(stands.reasons)}",
                where=each.snapshot[:12],
                remedy="train another candidate on a snapshot that is approved",
            )
    for one in ledger.all():
        if isinstance(one.about, Revocation) and one.about.snapshot == training.model:
            try:
                trust.vouched(one, "model")
            except Untrusted:
                continue
            raise NotApproved(
                f"the model was revoked by {one.author}: {one.about.why}",
                where=training.model[:12],
                remedy="release another candidate",
            )


def _base_of_run(source: Source) -> Path | None:
    run = source.folder.parent / "run.json"
    if run.is_file():
        try:
            return Path(Run.load(run).base.path)
        except UsageError:
            return None
    named = Path(source.said.base.name).expanduser()
    return named if named.is_dir() else None


def _first_changed(source: Source, found: BaseModelUse) -> str | None:
    """The file by which a base differs, where the run remembers its files."""
    run = source.folder.parent / "run.json"
    if not run.is_file():
        return None
    try:
        before = Run.load(run).base.files
    except UsageError:
        return None
    if model_digest(before) != source.training.base:
        return None
    return next((each for each in sorted(before | found.files) if before.get(each) != found.files.get(each)), None)


def _training(statement: Statement) -> Training:
    assert isinstance(statement.about, Training)
    return statement.about


def size_of(folder: Path, files: Sequence[str]) -> int:
    """Bytes of files."""
    return sum((folder / each).stat().st_size for each in files)
