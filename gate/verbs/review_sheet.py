"""A sample as a sheet for a team that reviews in a spreadsheet, and back.

What a spreadsheet would take for a formula begins with an apostrophe, which is taken away again. A sheet comes back as
spreadsheets write it: with a byte order mark, with semicolons, with columns in another order, with rows left empty.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.errors import UsageError
from gate.provenance.statements import now
from gate.reporting.inert import inert, one_line
from gate.snapshots.layout import VERDICTS
from gate.snapshots.spoken import parts
from gate.snapshots.verdicts import LONGEST
from gate.verbs.review import Sample
from gate.verbs.review_answers import Answers, Word

COLUMNS = ("id", "split", "kind", "prompt", "answer", "verdict", "reason")
CELL = 32_000
"""Characters of a cell; Excel holds 32,767 and cuts the rest off without a word."""
LARGEST = 256 << 20
"""Bytes of a sheet: a guard against the wrong file."""

_WORDS: dict[str, Word] = {"good": "good", "g": "good", "bad": "bad", "b": "bad", "skip": "skip", "s": "skip"}
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet would calculate (the wide signs too), or that was kept from it."""
_SHOWN = 10
"""Problems of a sheet that are told at once."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What came back."""

    said: list[tuple[str, Word, str | None]]
    """Example, verdict and reason."""
    left: int
    """Rows without a verdict."""
    unkept: int
    """Reasons beside a verdict other than bad, which are not kept."""

    @property
    def verdicts(self) -> pl.DataFrame:
        """Schema gate.snapshots.layout.VERDICTS; said now."""
        return pl.DataFrame([(*each, now()) for each in self.said], schema=VERDICTS, orient="row")


def write_sheet(path: Path, sample: Sample, answers: Answers) -> None:
    """Write the sample as CSV: UTF-8 with a byte order mark, which Excel needs to read it as such.

    Raises:
        UsageError: there is such a file already, which may hold somebody's work, or it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in sample.examples.iter_rows(named=True):  # a sample: some hundred
        writer.writerow([_safe(cell) for cell in _cells(row, answers)])
    try:
        # For its owner only: texts are in it as they are.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.getvalue().encode("utf-8-sig"))
    except FileExistsError:
        raise UsageError(
            "there is a file of that name, which may hold verdicts", where=str(path), remedy="name another one"
        ) from None
    except OSError as error:
        raise UsageError(f"it cannot be written ({(error.strerror or str(error)).lower()})", where=str(path)) from None


def _cells(row: Mapping[str, object], answers: Answers) -> Iterator[str]:
    said = answers.get(str(row["id"]))
    spoken = parts(row)
    answer = [part for part in spoken if part.answer]
    asked = [part for part in spoken if not part.answer and part.label != "meta"]
    yield str(row["id"])
    yield str(row["split"] or "")
    yield str(row["kind"])
    for some in (asked, answer):
        # A single turn needs no name before it.
        bare = len(some) == 1 and some[0].label in ("user", "assistant", "text")
        yield _short(some[0].text if bare else "\n\n".join(f"[{part.label}]\n{part.text}" for part in some))
    yield "" if said is None else said.verdict
    yield "" if said is None else said.reason or ""


def _short(text: str) -> str:
    shown = inert(text)
    return shown if len(shown) <= CELL else f"{shown[:CELL]}\n({len(shown) - CELL:,} more characters)"


def _safe(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unsafe(cell: str) -> str:
    """The cell as it was before `_safe`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_sheet(path: Path, sample: Sample) -> Sheet:
    """The verdicts of a sheet; columns may come in any order, and others beside them.

    Raises:
        UsageError: it is no such sheet; or ids that are not in the sample, examples that come twice and verdicts that
            are none, with their rows (the header is row 1). Then nothing of it is taken.
    """
    header, rows = _read(path)
    problems: list[str] = []
    seen: dict[str, int] = {}
    said: list[tuple[str, Word, str | None]] = []
    known, strangers, left, unkept = frozenset(sample.ids), 0, 0, 0
    for number, cells in enumerate(rows, start=2):
        row = {name: _unsafe(cell.strip()) for name, cell in zip(header, cells, strict=False)}
        id_, word, reason = row.get("id", "").lower(), row.get("verdict", ""), _cleaned(row.get("reason", ""))
        if not any(row.values()):
            continue
        if id_ not in known:
            strangers += 1
            problems.append(f"row {number}: " + (f"{one_line(id_, 20)!r} is not in the sample" if id_ else "no id"))
        elif id_ in seen:
            problems.append(f"row {number}: the example of row {seen[id_]} again")
        elif word and word.lower() not in _WORDS:
            problems.append(f"row {number}: the verdict is {one_line(word, 40)!r}; write good, bad or skip")
        elif len(reason) > LONGEST:
            problems.append(f"row {number}: the reason has {len(reason):,} characters; {LONGEST:,} are kept at most")
        elif not word:
            left += 1
            if reason:
                problems.append(f"row {number}: a reason without a verdict")
        else:
            verdict = _WORDS[word.lower()]
            unkept += bool(reason) and verdict != "bad"
            said.append((id_, verdict, reason if reason and verdict == "bad" else None))
        seen.setdefault(id_, number)
    if problems:
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UsageError(
            "the sheet cannot be taken:\n  " + "\n  ".join(problems[:_SHOWN]) + more,
            where=str(path),
            remedy="was it exported from the same data, with the same --sample, --seed and --stratify?"
            if strangers
            else "mend these rows and import it again; nothing was taken",
        )
    if not said:
        raise UsageError("no row has a verdict", where=str(path), remedy="write good, bad or skip into `verdict`")
    return Sheet(said, left, unkept)


def _cleaned(reason: str) -> str:
    return " ".join(inert(reason).split())


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, in small letters, and the cells of the rows below."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"it is larger than {LARGEST >> 20} MiB", where=str(path), remedy="is it the right file?")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("it is not UTF-8", where=str(path), remedy='save it as "CSV UTF-8"') from None
    except OSError as error:
        raise UsageError(f"it cannot be read ({(error.strerror or str(error)).lower()})", where=str(path)) from None
    if text[:4].lower() == "sep=":  # Excel's own way to name the delimiter
        text = text.partition("\n")[2]
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(LARGEST)
    try:
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)) or [[]]
    except csv.Error as error:
        raise UsageError(f"it is no CSV ({error})", where=str(path), remedy="export it anew") from None
    names = [name.strip().lower() for name in header]
    for name in ("id", "verdict"):
        if names.count(name) != 1:
            what = "no" if name not in names else "more than one"
            raise UsageError(
                f"it has {what} column `{name}`", where=str(path), remedy=f"its first row names {', '.join(COLUMNS)}"
            )
    return names, rows
