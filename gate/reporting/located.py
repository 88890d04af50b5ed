"""Findings as tools for reviewing code want them: at a path of the repository and a line, each with a name of its own.

The name (a fingerprint) is made of what was found in which content, never of a place, so that it stays when rows move.
Everything here is masked and inert; a format only has its own escaping to do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from gate.admission.result import AdmissionResult
from gate.data.frame import SourceFile
from gate.reporting.findings import masked_findings
from gate.reporting.inert import one_line
from gate.reporting.waivers import sentences_of, with_ids

_NAME = "name_"
_WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")  # of GitHub's and GitLab's runners


@dataclass(frozen=True, slots=True)
class Located:
    """One finding, fit to be shown."""

    rule: str
    code: str
    severity: str
    state: str
    path: str | None
    """Relative to the repository; None when it is about the dataset as a whole."""
    row: int | None
    line: int | None
    """1-based; None where the file's format has no lines."""
    field: str | None
    message: str
    evidence: str | None
    remedy: str
    fingerprint: str
    """64 hex digits, unique among all findings of a result."""
    waived: str | None = None
    """By whom, until when and why, where a waiver covers it."""

    @property
    def place(self) -> str:
        """`path:line`, or `path row N` where there are no lines; `the dataset`."""
        if self.path is None:
            return "the dataset"
        if self.line is not None:
            return f"{self.path}:{self.line}"
        return self.path if self.row is None else f"{self.path} row {self.row}"

    @property
    def sentence(self) -> str:
        """What was found, with its evidence."""
        told = self.message or self.code
        return told if self.evidence is None else f"{told} [{self.evidence}]"


def named(result: AdmissionResult) -> pl.DataFrame:
    """All findings with a name for each in one more column, which `located` needs: what was found, in which content
    and field, and which one of several it is."""
    digests = result.dataset.malformed.select("file", "row", "digest").unique(["file", "row"])
    content = pl.coalesce("id", "digest", "file").fill_null("")
    parts = [pl.col("rule"), pl.col("code").fill_null(""), content, pl.col("field").fill_null("")]
    numbered = (
        with_ids(result)
        .with_row_index("order_")
        .join(digests, on=["file", "row"], how="left", maintain_order="left", nulls_equal=True)
        .with_columns(pl.concat_str(parts, separator="\x1f").alias(_NAME))
        .sort("file", "row", "start", "order_", nulls_last=True)
        .with_columns(occurrence_=pl.int_range(pl.len()).over(_NAME))
        .sort("order_")
    )
    name = pl.concat_str(_NAME, "occurrence_", separator="\x1f").alias(_NAME)
    return numbered.with_columns(name).drop("order_", "digest", "occurrence_")


def located(result: AdmissionResult, findings: pl.DataFrame) -> list[Located]:
    """Some of the findings that `named` gave, in the same order: as many as a report shows, since each of them costs
    a Python object and the row behind it is fetched for its line."""
    placed = masked_findings(findings).join(
        _lines(result, findings), on=["file", "row"], how="left", maintain_order="left", nulls_equal=True
    )
    path_of = repository_paths(result)
    waived = sentences_of(result, placed)
    return [_located(row, path_of, by) for row, by in zip(placed.iter_rows(named=True), waived, strict=True)]


def repository_paths(result: AdmissionResult) -> Mapping[str, str]:
    """The path of each file relative to the repository, made inert.

    The repository is the runner's workspace where the environment names one, else the current folder. A file
    outside of it keeps its path relative to the dataset.
    """
    return _Paths(_prefix(result.dataset.root, result.dataset.files))


class _Paths(dict[str, str]):
    """Paths of the repository by paths of the dataset, worked out when asked for."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def __missing__(self, file: str) -> str:
        path = one_line(self._prefix + file, 1_000)
        self[file] = path
        return path


def _prefix(root: str, files: tuple[SourceFile, ...]) -> str:
    here = Path.cwd()
    # A report names the current folder by its name alone, which a folder inside may have too.
    candidates = [here, here / root] if root == here.name else [here / root]
    first = partial(_holds, files=files)
    folder = next((each for each in candidates if first(each)), candidates[-1])
    names = [os.environ[name] for name in _WORKSPACES if os.environ.get(name)]
    for workspace in (*map(Path, names), here):
        if folder.is_relative_to(workspace):
            inside = folder.relative_to(workspace).as_posix()
            return "" if inside == "." else f"{inside}/"
    return ""


def _holds(folder: Path, files: tuple[SourceFile, ...]) -> bool:
    return bool(files) and os.path.lexists(folder / files[0].path)


def _lines(result: AdmissionResult, findings: pl.DataFrame) -> pl.DataFrame:
    """The line of each row that some findings are about."""
    schema = {"file": pl.String, "row": pl.UInt32, "line": pl.UInt32}
    here = findings.select("file", "row").drop_nulls().unique()
    rows = result.dataset.fetch(here).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    bad = result.dataset.malformed.join(here, on=["file", "row"], how="semi").select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )
    return pl.concat([rows, bad]).unique(["file", "row"])


def _located(row: dict[str, object], path_of: Mapping[str, str], waived: str | None) -> Located:
    def text(name: str, limit: int) -> str | None:
        return None if row[name] is None else one_line(str(row[name]), limit)

    def number(name: str) -> int | None:
        value = row[name]
        return value if isinstance(value, int) else None

    file = row["file"]
    return Located(
        rule=text("rule", 120) or "",
        code=text("code", 60) or "",
        severity=str(row["severity"]),
        state=str(row["state"] or "new"),
        path=path_of[file] if isinstance(file, str) else None,
        row=number("row"),
        line=number("line"),
        field=text("field", 80),
        message=text("message", 400) or "",
        evidence=text("evidence", 160),
        remedy=str(row["remedy"]),
        fingerprint=hashlib.sha256(str(row[_NAME]).encode("utf-8", "surrogatepass")).hexdigest(),
        waived=waived,
    )
