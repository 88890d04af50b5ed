"""`gate verify`: from what a person names to what was found of everything that it rests on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, ModelRef, Promotion, Ref, Release, Training
from gate.provenance.trust import Trust
from gate.snapshots.export_check import export_link, read_proof
from gate.snapshots.folder_export import PROOF
from gate.snapshots.naming import SHORTEST, digits_of, numbered, several_called
from gate.snapshots.verification import Verification, Verifier
from gate.store.objects import Damaged, Store, find_store
from gate.training.chain import about_model, verify_folder, verify_model
from gate.training.runs import find_run, runs_folder
from gate.verbs.looks import LOOKS
from gate.verbs.surroundings import open_trust

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FORMAT = re.compile(rb'\{"format":[0-9]{1,9}\}\n')


def verify(
    what: str | None = None,
    *,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    heads: Sequence[str] = (),
    data: Path_ | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Verification:
    """Check everything that something rests on; nothing outside the store is asked, and no network.

    Args:
        what: a snapshot (its id, the first eight or more digits of it, or a name), a statement (its digest, or as many
            digits of it), a run, a model (by its digest), a folder with an export or with a model; the whole store
            where it is not given.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision (`trust_revision`, as `REV:path`), else `GATE_TRUST`.
        heads: digests of statements or refs that somebody wrote down: each has to be there still.
        data: the folder with the source files, to be compared with those that were judged.

    Raises:
        UsageError: no such store, or nothing of that name in it; nobody said whom to trust; a head that is no digest.
        Damaged: the store's format.json was changed; or a model without a training statement.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else _open(None if store is None else Path(store))
    for head in heads:
        if not _DIGEST.fullmatch(head):
            raise UsageError(f"{head[:80]!r} is no head", remedy="give all 64 digits, as `gate verify` prints them")
    files = None if data is None else Path(data)
    if files is not None and not files.exists():
        raise UsageError("there is no such folder of data", where=os.fspath(files))
    total = sum(each.bytes for each in place.objects())
    done = 0

    def on_bytes(size: int) -> None:
        nonlocal done
        done += size
        on_stage("reading objects", min(done, total), total)

    verifier = Verifier(Ledger(place), believed, tuple(heads), files, on_bytes, LOOKS)
    return verifier.store() if what is None else _named(verifier, what)


def _named(verifier: Verifier, what: str) -> Verification:
    store = verifier.ledger.store
    if (meant := numbered(store, what)) is not None:
        ref = verifier.refs.get(store.name(store.ref_path(*meant)))
        if ref is not None and isinstance(ref.about, ModelRef):
            return _of_model(verifier, ref.about.model)
        if ref is None or not isinstance(ref.about, Ref):
            return verifier.nothing(what)
        return verifier.snapshot(ref.about.snapshot, what)
    if (digits := digits_of(what)) is not None:
        snapshots = {one.about.snapshot for one in verifier.statements.values() if isinstance(one.about, Admission)}
        found = sorted(each for each in {*snapshots, *store.statements()} if each.startswith(digits))
        if len(found) > 1:
            raise several_called(what, found, store)
        if found:
            about = verifier.statements[found[0]].about if found[0] in verifier.statements else None
            if isinstance(about, Training | Release | Promotion):
                return _of_model(verifier, about.model)
            return verifier.snapshot(found[0]) if found[0] in snapshots else verifier.statement(found[0])
        if said := about_model(verifier.statements.values(), digits):
            models = sorted({one.about.model for one in said if isinstance(one.about, Training | Release)})
            if len(models) > 1:
                raise UsageError(f"{len(models)} models begin with {what}", remedy="write more")
            return verify_model(verifier, said, None)
    if what and "/" not in what and (runs_folder(store.root) / what / "state.json").is_file():
        run = find_run(store.root, what)
        if run.state.statement is None:
            raise Damaged(
                f"the run {what} is {run.stands}, and there is no training statement of it",
                where=os.fspath(run.folder),
                remedy=f"gate runs show {what} tells why",
            )
        return verify_folder(verifier, run.folder / "candidate")
    if what and (Path(what) / PROOF).is_file():
        proof = read_proof(Path(what))
        behind = verifier.snapshot(proof.snapshot)
        export = export_link(Path(what), proof, verifier.statements)
        return replace(behind, chain=replace(behind.chain, children=(export, *behind.chain.children)))
    if what and Path(what).is_dir():
        return verify_folder(verifier, Path(what))
    if verifier.unread:  # it may be the very one that is asked for
        return verifier.nothing(what)
    names = ", ".join(sorted(store.refs())) or "none"
    raise UsageError(
        f"there is no snapshot, statement, run, model or name {what[:100]!r}",
        where=os.fspath(store.root),
        remedy=f"names: {names}; an id takes at least {SHORTEST} digits (`gate snapshots ls`, `gate runs ls`)",
    )


def _of_model(verifier: Verifier, model: str) -> Verification:
    """A model by its digest; its files are compared, where they lie in a run of this store.

    Raises:
        Damaged: nothing says what it was made of.
    """
    said = about_model(verifier.statements.values(), model)
    if not said:
        where = f"model {model[:12]}"
        raise Damaged("there is no training statement about it", where=where, remedy="gate store pull")
    for one in said:
        assert isinstance(one.about, Training | Release)
        if isinstance(one.about, Training):
            folder = runs_folder(verifier.ledger.store.root) / one.about.name / "candidate"
            if folder.is_dir():
                return verify_model(verifier, said, folder)
    return verify_model(verifier, said, None)


def _open(store: Path | None) -> Store:
    """The store, whose format.json has to be as gate writes it: nothing else vouches for that file.

    Raises:
        StoreError: there is none, or it is of another format.
        Damaged: the file was changed.
    """
    root = store if store is not None else find_store(Path())
    form = root / "format.json"
    if form.is_file() and not _FORMAT.fullmatch(form.read_bytes()[:100]):
        raise Damaged("it is not as gate writes it", where="format.json", remedy='it holds one line: {"format":1}')
    return Store(root)
