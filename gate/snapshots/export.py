"""Exports an approved snapshot: as it was read, as a trainer takes it, as Parquet, or as a folder that
`datasets.load_dataset` loads. This is for tools that do not know gate; what is trained here opens the snapshot itself.

Rows stream shard by shard, and nothing of what is exported is masked. Files are named after splits and kinds, never
after anything in the data. The same snapshot, as it stands, gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gate.data.find import format_of
from gate.data.frame import Split
from gate.errors import UsageError
from gate.snapshots.croissant import croissant
from gate.snapshots.dataset_card import dataset_card
from gate.snapshots.export_facts import ExportedFile, Facts, proof
from gate.snapshots.export_files import FORMS, Form, OnRows, Rows, described, written
from gate.snapshots.folder_export import PROOF, growing
from gate.store.objects import Damaged

__all__ = ["FORMS", "Exported", "Form", "export"]

SUFFIXES: dict[Form, str] = {"original": ".jsonl", "chat": ".jsonl", "parquet": ".parquet", "datasets": ""}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    out: Path
    form: Form
    snapshot: str
    files: tuple[ExportedFile, ...]
    """All but the proof."""

    @property
    def rows(self) -> int:
        """Examples in all files."""
        return sum(file.rows for file in self.files)


def export(
    facts: Facts,
    form: Form,
    out: Path,
    *,
    split: Split | None = None,
    force: bool = False,
    on_rows: OnRows = lambda done, total: None,
) -> Exported:
    """Write the examples of a snapshot, with the proof of what they are.

    Args:
        out: a folder that is empty or not there; or a file (`.jsonl`, `.parquet`), where there is one split.
        split: only this one.
        force: take the place of an older export.
        on_rows: told of rows written, and of those in all.

    Raises:
        UsageError: no such split, several splits for one file, or a destination that is not free.
        ExportError: the disk is full, or a file system error: nothing is left there.
        Damaged: an object is not what it was when the snapshot was opened.
    """
    counts = {name: count for name, count in facts.snapshot.counts.items() if count}
    if split is not None and split not in counts:
        raise UsageError(
            f"the snapshot has no split {split!r}", remedy=f"it has {', '.join(counts)}; leave --split out for all"
        )
    wanted = counts if split is None else {split: counts[split]}
    file = format_of(out.name) is not None and not out.is_dir()
    if file and out.suffix != SUFFIXES[form]:
        raise UsageError(
            f"--as {form} writes no {out.suffix} file",
            where=str(out),
            remedy="name a folder" + (f", or a {SUFFIXES[form]} file for one split" if SUFFIXES[form] else ""),
        )
    if file and len(wanted) > 1:
        raise UsageError(
            f"one file cannot hold the splits {', '.join(wanted)}",
            where=str(out),
            remedy="name a folder, or one of them with --split",
        )
    with growing(out, force=force, file=file, avoid=facts.snapshot.store.root) as folder:
        files = written(Rows(facts.snapshot, split, sum(wanted.values()), on_rows), form, folder)
        if {name: sum(each.rows for each in files if each.split == name) for name in wanted} != wanted:
            raise Damaged("the rows that were exported are not those that were admitted", where=facts.snapshot.id)
        if file:
            if len(files) > 1:
                kinds = ", ".join(str(each.kind) for each in files)
                raise UsageError(
                    f"one file cannot hold examples of several kinds ({kinds})",
                    where=str(out),
                    remedy="name a folder: each kind gets files of its own",
                )
            files = [_renamed(folder, files[0], out.name)]
        if form == "datasets":
            files += [
                _put(folder, "README.md", dataset_card(facts, files).encode()),
                _put(folder, "croissant.json", croissant(facts, files)),
            ]
        (folder / PROOF).write_bytes(proof(facts, form, files))
    return Exported(out, form, facts.snapshot.id, tuple(files))


def _put(folder: Path, name: str, content: bytes) -> ExportedFile:
    (folder / name).write_bytes(content)
    return described(folder, name, 0, None, None, ())


def _renamed(folder: Path, file: ExportedFile, name: str) -> ExportedFile:
    (folder / file.path).rename(folder / name)
    return replace(file, path=name)
