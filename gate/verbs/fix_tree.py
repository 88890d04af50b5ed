"""A copy of a dataset that is fixed round by round, in a hidden folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import polars as pl

from gate.admission.fix_log import FixLog
from gate.admission.fixed import FixedFile
from gate.admission.remedies import Plan, RowEdits
from gate.admission.result import AdmissionResult
from gate.admission.stored import StoredDataset
from gate.data.export import Changes, Exported, export
from gate.data.find import Found
from gate.errors import InputError
from gate.verbs.fix_places import copy, copyable

_STATE = "state.json"


@dataclass(slots=True)
class FixTree:
    """The files of a dataset as they are being fixed. Names are relative to the root of the data."""

    found: Found
    folder: Path
    """Named as the root of the data, whose name may say the split."""
    whole: bool
    """One folder was named, so that what else lies in it belongs to the dataset."""
    log: FixLog = field(default_factory=FixLog)
    changed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Files of which no row is left."""
    copied: list[str] = field(default_factory=list)
    """Files that are no data."""

    @property
    def root(self) -> Path:
        """Where the data lies that was read."""
        return Path(self.found.root)

    @property
    def _files(self) -> list[str]:
        return [one.file for one in self.found.sources if one.path is not None and not one.missing and not one.outside]

    @property
    def paths(self) -> list[Path]:
        """What to judge: the folder, or the files that were named."""
        return [self.folder] if self.whole else [self.folder / name for name in self._files if name not in self.gone]

    def begin(self) -> None:
        """Copy everything, as it is."""
        self.folder.mkdir(parents=True)
        self.copied = copyable(self.found) if self.whole else []
        for name in [*self._files, *self.copied]:
            copy(self.root / name, self.folder / name)

    def apply(self, plan: Plan, judged: StoredDataset, round_: int) -> bool:
        """Do what is planned; whether anything changed.

        Raises:
            InputError: no row of the dataset would be left; or a file changed since it was judged.
        """
        jobs = {file.source.path: file for file in judged.prepared.files}
        changed_any = False
        for path, changes in plan.files.items():
            source = jobs[path].job.source
            assert source.path is not None
            name = self._name(source.path)
            new = self.folder / f"{name}.gate-fix"
            done = export(source, jobs[path].source, new, changes, jobs[path].job.columns)
            if not done.dropped and not done.rewritten:
                new.unlink()
                continue
            changed_any = True
            acted = plan.acted.filter(pl.col("file") == path).with_columns(file=pl.lit(name))
            self.log.add(_effective(acted, changes, done), round_)
            self.log.numbers.drop(name, changes.drop)
            if done.kept:
                new.replace(self.folder / name)
                self.changed.add(name)
            else:
                new.unlink()
                (self.folder / name).unlink()
                self.gone.add(name)
                self.changed.discard(name)
                self.log.left_out([name], round_)
        if self.gone and self.gone >= set(self._data(judged)):
            raise InputError("no row would be left", where=str(self.root), remedy="look at it with `gate check`")
        return changed_any

    def _data(self, judged: StoredDataset) -> list[str]:
        return [self._name(file.job.source.path) for file in judged.prepared.files if file.job.source.path is not None]

    def _name(self, path: Path) -> str:
        for top in (self.folder, self.root):
            if path.is_relative_to(top):
                return path.relative_to(top).as_posix()
        raise ValueError(f"{path} is neither data nor a copy of it")

    def finish(self) -> None:
        """Give changed `save_to_disk` folders a fingerprint of their own: the datasets library finds what it has
        worked out of a dataset by it."""
        for folder in sorted({(self.folder / name).parent for name in self.changed | self.gone}):
            state = folder / _STATE
            if not state.is_file():
                continue
            try:
                value = orjson.loads(state.read_bytes())
                listed = [entry for entry in value["_data_files"] if (folder / entry["filename"]).exists()]
                old = str(value.get("_fingerprint"))
            except (ValueError, KeyError, TypeError):
                continue  # no index of that library
            digest = hashlib.sha256(old.encode())
            for entry in listed:
                with (folder / entry["filename"]).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            value |= {"_data_files": listed, "_fingerprint": digest.hexdigest()[:16]}
            state.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
            self.changed.add(self._name(state))

    def counted(self, before: AdmissionResult, after: AdmissionResult) -> tuple[FixedFile, ...]:
        """Rows in and out of each data file; every row that went is in the log.

        Raises:
            RuntimeError: the counts do not close, which is a bug: nothing is written then.
        """
        left = {self._name(path): rows for path, rows in _rows(after).items()}
        files = tuple(
            FixedFile(name, rows, left.get(name, 0), name in self.changed or name in self.gone)
            for name, rows in ((self._name(path), rows) for path, rows in _rows(before).items())
        )
        logged = self.log.frame().filter(pl.col("action") == "dropped")
        dropped = logged.select("file", "row").n_unique() if logged.height else 0
        lost = sum(file.rows_in - file.rows_out for file in files)
        if lost != dropped:
            raise RuntimeError(f"{lost} rows are missing, and {dropped} were dropped")
        return files


def _rows(judged: AdmissionResult) -> Mapping[Path, int]:
    prepared = judged.dataset.prepared.files
    return {file.job.source.path: file.source.rows for file in prepared if file.job.source.path is not None}


def _effective(acted: pl.DataFrame, changes: Changes, done: Exported) -> pl.DataFrame:
    """The findings of a file that something was done about: a text may not have been found in its record."""
    unplaced = [
        (row, name) for row, edits in changes.rewrite.items() if isinstance(edits, RowEdits) for name in edits.unplaced
    ]
    missed = pl.DataFrame(unplaced, schema={"row": pl.UInt32, "field": pl.String}, orient="row")
    texts = acted.filter(
        (pl.col("action") != "dropped")
        & pl.col("row").is_in(list(done.rewritten))
        & ~pl.col("row").is_in(list(changes.drop))
    ).join(missed, on=["row", "field"], how="anti")
    return pl.concat([acted.filter(pl.col("action") == "dropped"), texts])
