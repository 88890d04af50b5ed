"""Whether an export is still what its own list of files says: every file is hashed, and nothing lies beside them.

The list is not signed. It names a snapshot and the statements behind it, which are verified as any others; that the
files were written from that snapshot, whoever wrote the list says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.provenance.statements import Admission, Count, Digest, Statement
from gate.snapshots.chain import Link
from gate.snapshots.folder_export import LARGEST_PROOF, PROOF
from gate.store.objects import Damaged, hash_file

_MANY = 50
"""Files that are told one by one."""


class ProofFile(BaseModel):
    """A file as the list names it."""

    model_config = ConfigDict(frozen=True, strict=True)
    path: Annotated[str, Field(min_length=1, max_length=1000)]
    sha256: Digest
    bytes: Count


class ProofStatements(BaseModel):
    """The statements behind the snapshot."""

    model_config = ConfigDict(frozen=True, strict=True)
    admission: Digest


class ExportProof(BaseModel):
    """What is looked at of `gate-export.json`."""

    model_config = ConfigDict(frozen=True, strict=True)
    schema_: Literal["gate.export/1"] = Field(alias="schema")
    snapshot: Digest
    statements: ProofStatements
    files: Annotated[list[ProofFile], Field(min_length=1)]


def read_proof(folder: Path) -> ExportProof:
    """The list of an export's files.

    Raises:
        Damaged: it cannot be read, or says something else.
    """
    path = folder / PROOF
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_PROOF:
            raise ValueError
        return ExportProof.model_validate_json(path.read_bytes())
    except (OSError, ValueError, ValidationError, RecursionError):
        raise Damaged("it is no list of an export's files", where=os.fspath(path), remedy=_AGAIN) from None


_AGAIN = "export the snapshot again (`gate snapshots export`)"


def export_link(folder: Path, proof: ExportProof, statements: Mapping[str, Statement]) -> Link:
    """What was found of an export's files.

    Args:
        statements: those of the store, by digest.
    """
    links = [_file(folder, each) for each in proof.files]
    links += [
        Link("file", name, "broken", "the list of the export does not name it", "take it out, or " + _AGAIN)
        for name in _strangers(folder, {each.path for each in proof.files} | {PROOF})
    ]
    admission = statements.get(proof.statements.admission)
    if admission is None or not isinstance(admission.about, Admission) or admission.about.snapshot != proof.snapshot:
        what = "its list names an admission that is not of its snapshot, or not in this store"
        links.append(Link("admission", proof.statements.admission, "broken", what, "name the right store with --store"))
    told = [link for link in links if link.state == "broken"] + [link for link in links if link.state != "broken"]
    return Link(
        "export",
        os.fspath(folder),
        said=f"{len(proof.files):,} files against its own list",
        children=tuple(told[:_MANY]),
    )


def _file(folder: Path, file: ProofFile) -> Link:
    parts = PurePosixPath(file.path).parts
    path = folder.joinpath(*parts)
    if file.path.startswith("/") or ".." in parts or "\x00" in file.path:
        return Link("file", file.path, "broken", "its path leads out of the export", _AGAIN)
    try:
        if path.is_symlink() or not path.resolve(strict=True).is_relative_to(folder.resolve()) or not path.is_file():
            return Link("file", file.path, "broken", "it is a link, or no file", _AGAIN)
        digest, size = hash_file(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "it is missing" if missing else f"it cannot be read ({error.strerror})"
        return Link("file", file.path, "broken", what, _AGAIN)
    if (digest, size) != (file.sha256, file.bytes):
        return Link("file", file.path, "broken", "its bytes are not those that were exported", _AGAIN)
    return Link("file", file.path, said=f"{size:,} bytes, {digest[:12]}…")


def _strangers(folder: Path, listed: set[str]) -> list[str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return [name for path in found if (name := path.relative_to(folder).as_posix()) not in listed]
