"""The chain behind a model: its files, its training statement, the books of the run, and the snapshots' own chains.

`gate.snapshots.verification` follows statements; what a training statement names beside its parents is looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from gate.errors import GateError
from gate.provenance.standing import standing
from gate.provenance.statements import (
    Admission,
    Evaluation,
    OutputFile,
    Promotion,
    Release,
    Statement,
    TrainedOn,
    Training,
)
from gate.snapshots.chain import Link, broken
from gate.snapshots.parquet import from_parquet
from gate.snapshots.verification import Verification, Verifier
from gate.store.files import hash_file
from gate.store.objects import Damaged
from gate.training.accounting import FATES
from gate.training.model_files import hashed_files, model_digest

_RESTORE = "restore the file from a copy of the candidate, or train it anew"


def training_links(verifier: Verifier, one: Statement) -> list[Link]:
    """What a training statement names: the documents, the books and their sums, and that each snapshot was approved
    when it was made."""
    about = one.about
    assert isinstance(about, Training)
    links = [
        _document(verifier, "recipe", about.recipe, "json"),
        _document(verifier, "environment", about.environment, "json"),
        _document(verifier, "curves", about.curves, "jsonl"),
        *([_document(verifier, "criteria", about.criteria, "json")] if about.criteria else []),
        *([_document(verifier, "canaries", about.canary_strings, "json")] if about.canary_strings else []),
        *([_document(verifier, "retention suite", about.retention_suite, "jsonl")] if about.retention_suite else []),
        _books(verifier, about),
        _outputs(about),
    ]
    for on in about.snapshots:
        links += _trained_on(verifier, one, on)
    return links


def release_links(verifier: Verifier, one: Statement) -> list[Link]:
    """What a release statement names: that its sources are training statements, and its digest that of its files."""
    about = one.about
    assert isinstance(about, Release)
    for source in about.sources:
        found = verifier.statements.get(source)
        if found is not None and not isinstance(found.about, Training):
            return [Link(found.kind, f"statements/{source}.json", "broken", "it is no training statement")]
    return [_outputs(about)]


def _document(verifier: Verifier, what: str, digest: str, kind: str) -> Link:
    try:
        read = verifier.objects.read(digest, kind)
    except GateError as error:
        return broken(what, error)
    return Link(what, read.name, said=f"{len(read.content):,} bytes")


def _outputs(about: Training | Release) -> Link:
    """That the model's digest is that of the files that the statement lists."""
    if model_digest({path: file.sha256 for path, file in about.outputs.items()}) != about.model:
        return Link("outputs", "", "broken", "the model's digest is not that of the files that are listed")
    size = sum(file.bytes for file in about.outputs.values())
    return Link("outputs", "", said=f"{len(about.outputs):,} files, {size:,} bytes, are model {about.model[:12]}")


def _books(verifier: Verifier, about: Training) -> Link:
    """The row accounting, and that its sums are those of the statement."""
    try:
        read = verifier.objects.read(about.accounting, "parquet")
        fates = from_parquet(read.content, FATES, read.name, columns=["use", "snapshot", "fate", "cut_tokens"])
    except GateError as error:
        return broken("accounting", error)
    for use, on in enumerate(about.snapshots):
        own = fates.filter((pl.col("use") == use) & (pl.col("snapshot") == on.snapshot))
        fate = own["fate"].cast(pl.String)
        counts = {name: int((fate == name).sum()) for name in ("trained", "dropped", "unseen")}
        said = {"trained": on.trained, "dropped": on.dropped, "unseen": on.unseen}
        if counts != said or sum(counts.values()) != on.rows:
            return Link("accounting", read.name, "broken", f"its sums for {on.name} are not those of the statement")
    rows = sum(on.rows for on in about.snapshots)
    trained = sum(on.trained for on in about.snapshots)
    return Link("accounting", read.name, said=f"{rows:,} rows = {trained:,} trained and {rows - trained:,} not")


def _trained_on(verifier: Verifier, one: Statement, on: TrainedOn) -> list[Link]:
    """That a snapshot is what its admission says, and was approved at the time."""
    admission = verifier.statements.get(on.statement)
    if admission is None:
        return []  # as a parent, it is said to be missing
    name = f"statements/{on.statement}.json"
    if not isinstance(admission.about, Admission):
        return [Link(admission.kind, name, "broken", "it is no admission")]
    if admission.about.snapshot != on.snapshot:
        return [Link("admission", name, "broken", f"it does not admit {on.snapshot[:12]}, which was trained on")]
    if admission.about.splits.get("train", 0) != on.rows:
        return [Link("admission", name, "broken", f"its train split has not the {on.rows:,} rows that were trained on")]
    try:
        stood = standing(verifier.ledger, verifier.trust, on.snapshot, at=one.made)
    except GateError as error:
        return [broken("snapshot", error, on.snapshot)]
    if stood.status != "approved":
        why = "; ".join(stood.reasons)
        return [Link("snapshot", on.snapshot, "broken", f"it was not approved when it was trained on: {why}")]
    return [Link("snapshot", on.snapshot, said=f"{on.role} {on.name}, approved when it was trained on")]


def about_model(statements: Iterable[Statement], digits: str) -> list[Statement]:
    """The training and release statements about models whose digest begins so."""
    return [
        one for one in statements if isinstance(one.about, Training | Release) and one.about.model.startswith(digits)
    ]


def verify_model(verifier: Verifier, said: list[Statement], folder: Path | None, *, since: bool = True) -> Verification:
    """A model by the statements about it.

    Args:
        said: of one digest, at least one.
        folder: where its files lie; None: they are not at hand, and only what was said of them is checked.
        since: with what was said of it since it was made: evaluations and promotions.
    """
    about = said[0].about
    assert isinstance(about, Training | Release)
    files = [_files(about, folder)] if folder is not None else []
    also = [
        one
        for one in verifier.statements.values()
        if since and isinstance(one.about, Evaluation | Promotion) and one.about.model == about.model
    ]
    return verifier.model(about.model, said, files, _snapshots(verifier, said), also)


def verify_folder(verifier: Verifier, folder: Path) -> Verification:
    """A folder with a model: the statements about exactly these files, or about those that they once were.

    Raises:
        Damaged: nothing was ever said of such a model.
    """
    try:
        files = hashed_files(folder)
    except OSError as error:
        raise Damaged(f"it cannot be read ({error.strerror})", where=os.fspath(error.filename or folder)) from None
    said = about_model(verifier.statements.values(), model_digest(files))
    if not said:
        said = _alike(verifier, files, folder.absolute().parent.name)
    if not said:
        raise Damaged(
            "there is no training statement about it, so that nothing says what this model was made of",
            where=os.fspath(folder),
            remedy="only models that gate trained can be verified; for a dataset, name its snapshot",
        )
    return verify_model(verifier, said, folder)


def _alike(verifier: Verifier, files: dict[str, str], run: str) -> list[Statement]:
    """The statements about the model that shares the most files with these (the run's own first): one was changed."""
    scored = []
    for one in about_model(verifier.statements.values(), ""):
        assert isinstance(one.about, Training | Release)
        same = sum(files.get(path) == file.sha256 for path, file in one.about.outputs.items())
        named = isinstance(one.about, Training) and one.about.name == run
        if same or named:
            scored.append((named, same, one.about.model))
    return about_model(verifier.statements.values(), max(scored)[2]) if scored else []


def _snapshots(verifier: Verifier, said: list[Statement]) -> list[str]:
    """What a model was trained on; of a release, what its sources were."""
    found: list[str] = []
    for one in said:
        if isinstance(one.about, Training):
            found += [on.snapshot for on in one.about.snapshots]
        elif isinstance(one.about, Release):
            sources = [verifier.statements[each] for each in one.about.sources if each in verifier.statements]
            found += _snapshots(verifier, [each for each in sources if isinstance(each.about, Training)])
    return list(dict.fromkeys(found))


def _files(about: Training | Release, folder: Path) -> Link:
    """The files of a model, each held against what was sealed."""
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}
    found = {each for each in found if not any(part.startswith(".") for part in each.split("/"))}
    children = [link for path, file in sorted(about.outputs.items()) if (link := _file(folder, path, file)) is not None]
    children += [
        Link("file", os.fspath(folder / path), "broken", "it is no part of the model", "take it out of the folder")
        for path in sorted(found - about.outputs.keys())
    ]
    size = sum(file.bytes for file in about.outputs.values())
    state = "" if children else f"{len(about.outputs):,} files, {size:,} bytes, each as it was sealed"
    return Link("files", os.fspath(folder), said=state, children=tuple(children))


def _file(folder: Path, path: str, file: OutputFile) -> Link | None:
    """What is wrong with a file, or None."""
    place = folder / path
    try:
        digest, _ = hash_file(place)
    except FileNotFoundError:
        return Link("file", os.fspath(place), "broken", "it is missing", _RESTORE)
    except OSError as error:
        return Link("file", os.fspath(place), "broken", f"it cannot be read ({error.strerror})", _RESTORE)
    if digest != file.sha256:
        return Link("file", os.fspath(place), "broken", "its bytes are not those that were sealed", _RESTORE)
    return None
