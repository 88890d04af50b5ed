"""Which model is scored: found by what a person calls it, its files hashed and held against what was sealed.

What is scored is exactly what may be promoted: the candidate as it lies in its run (an adapter on the very base that it
was trained on, or a whole model), or a released merged model; and a base as its files are.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.errors import UsageError
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Release, Training
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.naming import digits_of
from gate.store.objects import Damaged, Store
from gate.training.base_files import check_base
from gate.training.hub import hub_id
from gate.training.model_files import hashed_files, model_digest
from gate.training.release_sources import Source, find_base, find_source
from gate.training.run_file import BaseModelUse
from gate.training.runs import runs_folder
from gate.training.saving import ADAPTER, FILE

Form = Literal["base", "adapter", "full", "merged", "remote"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that may be scored, verified."""

    name: str
    """As people call it: a run, a folder, a URL."""
    form: Form
    model: str
    """gate.training.model_files.model_digest of its files."""
    folder: Path | None = None
    """With its files; None: behind a URL."""
    base: str | None = None
    """model_digest of the base that it was trained from; None: it is one."""
    base_use: BaseModelUse | None = None
    """The base's files, checked: for an adapter, and for a base itself."""
    training: str | None = None
    """Digest of the training statement; None: of a base."""

    @property
    def beneath(self) -> str | None:
        """The base that its scores follow from, beside its own files: an adapter's."""
        return self.base if self.form == "adapter" else None


def find_subject(
    what: str,
    store: Store,
    ledger: Ledger,
    *,
    trust: Trust,
    base: Path | None = None,
    allow_code: Sequence[str] = (),
) -> Subject:
    """The model that a person means, every file of it hashed.

    Args:
        what: a run's name; a folder with a candidate, with a released merged model, or with a base; eight or more
            digits of a candidate's digest; or a base by its id on the hub.
        base: where the base of an adapter lies; None: where it lay while the candidate was trained.
        allow_code: `NAME@DIGEST` of bases whose own Python may run.

    Raises:
        UsageError, InputError: there is none, or it cannot be scored.
        Unrecorded, Damaged, NotApproved, Untrusted: it is a candidate that may not be used, and why.
    """
    path = Path(what).expanduser()
    runs = runs_folder(store.root)
    named = re.fullmatch(r"[\w][\w.-]*", what) is not None
    if path.is_dir() and not (named and (runs / what).is_dir()):
        if (path / FILE).is_file() or (path / "candidate").is_dir():
            return _candidate(find_source(what, 1.0, ledger, trust), base, allow_code)
        release = _release(path, ledger, trust)
        return _released(path, release, ledger) if release else base_subject(what, allow_code)
    if (named and (runs / what).is_dir()) or _is_digest(what, ledger):
        return _candidate(find_source(what, 1.0, ledger, trust), base, allow_code)
    if path.exists() or hub_id(what) is not None:
        return base_subject(what, allow_code)
    known = sorted({each.about.name for each in ledger.all() if isinstance(each.about, Training)})
    raise UsageError(
        f"there is no model {what[:100]!r}",
        remedy="name a run" + (f" ({', '.join(known[:8])})" if known else "")
        + ", a candidate's or a base's folder, or a base of the hub: owner/model",
    )  # fmt: skip


def base_subject(what: str, allow_code: Sequence[str] = (), *, use: BaseModelUse | None = None) -> Subject:
    """A base by its folder or its id on the hub.

    Args:
        use: it, where it was checked already.

    Raises:
        InputError: it is not there, or is not safe to load.
    """
    found = use or check_base(what, allow_code=allow_code)
    name = what if found.revision else Path(found.path).name or "base"
    return Subject(name, "base", found.digest, Path(found.path), base_use=found)


def base_of(subject: Subject, ledger: Ledger, trust: Trust, base: Path | None, allow_code: Sequence[str]) -> Subject:
    """The base that a candidate was trained from, to be scored itself.

    Raises:
        InputError: it is not there, or is another one.
    """
    if subject.base_use is not None:
        return base_subject(subject.base_use.name, use=subject.base_use)
    if subject.training is None:
        raise UsageError("nothing says which base it was made of", where=subject.name, remedy="--no-base leaves it")
    about = ledger.statement(subject.training).about
    assert isinstance(about, Training)
    run = (
        subject.folder
        if subject.form == "full" and subject.folder is not None
        else runs_folder(ledger.store.root) / about.name
    )
    use = find_base(find_source(os.fspath(run), 1.0, ledger, trust), base, allow_code)
    return base_subject(use.name, use=use)


def remote_subject(name: str, url: str) -> Subject:
    """A model behind a URL of which nothing is here: its digest is that of what its owner calls it."""
    said = hashlib.sha256(canonical({"model": name, "url": url})).hexdigest()
    return Subject(name, "remote", model_digest({"remote": said}))


def _candidate(source: Source, base: Path | None, allow_code: Sequence[str]) -> Subject:
    if source.said.kind != "causal":
        what = "classifies" if source.said.kind == "classifier" else "judges answers"
        raise UsageError(
            f"it {what}, and suites are for models that write",
            where=source.name,
            remedy="gate runs show tells how it did on its test split",
        )
    adapter = (source.folder / ADAPTER).is_file()
    brings_code = any(source.folder.rglob("*.py"))
    use = find_base(source, base, allow_code) if adapter or brings_code else None
    return Subject(
        name=source.name,
        form="adapter" if adapter else "full",
        model=source.training.model,
        folder=source.folder,
        base=source.training.base,
        base_use=use,
        training=source.statement.digest,
    )


def _release(folder: Path, ledger: Ledger, trust: Trust) -> Release | None:
    """The statement that released these files, if a trusted one did.

    Raises:
        Untrusted: only somebody else did.
        Damaged: a file cannot be read.
    """
    statements = [each for each in ledger.all() if isinstance(each.about, Release)]
    if not statements:
        return None
    try:
        digest = model_digest(hashed_files(folder.resolve()))
    except OSError as error:
        raise Damaged(f"it cannot be read ({error.strerror})", where=str(error.filename or folder)) from None
    untrusted: Untrusted | None = None
    for each in reversed(statements):
        if isinstance(each.about, Release) and each.about.model == digest:
            try:
                trust.vouched(each)
                return each.about
            except Untrusted as error:
                untrusted = error
    if untrusted is not None:
        raise untrusted
    return None


def _released(folder: Path, release: Release, ledger: Ledger) -> Subject:
    if release.form != "merged":
        raise UsageError(
            f"it is released as {release.form}, which is not loaded here",
            where=os.fspath(folder),
            remedy="score the candidate itself, its merged form, or a server that serves it: --url",
        )
    check_base(os.fspath(folder))  # safetensors, no code, whole
    bases = {each.base for source in release.sources if isinstance(each := ledger.statement(source).about, Training)}
    return Subject(
        name=folder.resolve().name,
        form="merged",
        model=release.model,
        folder=folder.resolve(),
        base=bases.pop() if len(bases) == 1 else None,
        training=release.sources[0] if len(release.sources) == 1 else None,
    )


def _is_digest(what: str, ledger: Ledger) -> bool:
    digits = digits_of(what)
    return digits is not None and any(
        isinstance(each.about, Training) and each.about.model.startswith(digits) for each in ledger.all()
    )
