"""CSV and TSV: one record per row, every cell a text."""

from __future__ import annotations

import csv
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator

from gate.data.batch import ROWS, Batch, Reading
from gate.data.jsonl import whole_lines
from gate.data.malformed import Misfit, Reason, name_of


class _Lines:
    """The lines of a file for `csv.reader`, which remembers the bytes of the row it is reading and can go back."""

    def __init__(self, blocks: Iterable[bytes], reading: Reading, longest: int) -> None:
        self._source = self._split(blocks, reading, longest)
        self._again: deque[tuple[int, int, bytes]] = deque()
        self.row: list[tuple[int, int, bytes]] = []
        """(offset, line, bytes) of each line consumed since the row began."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.row.append(line)
        return line[2].decode("utf-8", "surrogateescape")

    def retry(self) -> None:
        """Give back every line of the row but its first."""
        self._again.extendleft(reversed(self.row[1:]))
        del self.row[1:]

    @staticmethod
    def _split(blocks: Iterable[bytes], reading: Reading, longest: int) -> Iterator[tuple[int, int, bytes]]:
        for offset, first, block in whole_lines(blocks, reading, longest):
            start = offset
            for number, raw in enumerate(block.splitlines(keepends=True) if b"\n" not in block else _cut(block), first):
                yield start, number, raw
                start += len(raw)


def _cut(block: bytes) -> Iterator[bytes]:
    lines = block.split(b"\n")
    yield from (line + b"\n" for line in lines[:-1])
    if lines[-1]:
        yield lines[-1]


def delimiter_of(header: str, default: str) -> str:
    """The character between the columns of a header: the format's own when it is there, else `;`, tab or `|`."""
    return default if default in header else next((mark for mark in (",", ";", "\t", "|") if mark in header), default)


def read_table(blocks: Iterable[bytes], reading: Reading, longest: int, delimiter: str) -> Iterator[Batch]:
    """The rows of a CSV or TSV file under its header.

    A row whose quoting is broken costs its first line only: reading takes up again at the next one. A loop over rows,
    since `csv` reads one at a time and each must be judged by itself (≈ 5 µs per row).
    """
    csv.field_size_limit(sys.maxsize)
    lines = _Lines(blocks, reading, longest)
    header: list[str] | None = None
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    batch = Batch()
    while True:
        lines.row.clear()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            lines.retry()
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            what = "NUL" if "NUL" in str(error) else "quote"
            misfit = Misfit(Reason.NUL, "NUL bytes in the row") if what == "NUL" else _UNCLOSED
            if header is None:
                reading.fail_file(misfit, lines.row[0][2])
                return
            _fail(reading, misfit, lines)
            if reading.hopeless:
                yield batch
                batch = Batch()
            continue
        if cells is None:
            break
        if not cells or (len(cells) == 1 and not cells[0].strip() and (header is None or len(header) > 1)):
            continue  # a blank line is no row
        raw = b"".join(line[2] for line in lines.row)
        if header is None:
            found = delimiter_of(raw.decode("utf-8", "replace"), delimiter)
            if found != delimiter:
                delimiter = found
                cells = next(csv.reader([raw.decode("utf-8", "surrogateescape")], delimiter=delimiter))
                rows = csv.reader(lines, delimiter=delimiter, strict=True)
            header = [cell.strip() for cell in cells]
            if misfit_of_header := _header(header, raw):
                reading.fail_file(misfit_of_header, raw)
                return
            continue
        if bad := _row(cells, header, raw):
            _fail(reading, bad, lines)
            if reading.hopeless:
                yield batch
                batch = Batch()
            continue
        reading.rows += 1
        offset, line, _ = lines.row[0]
        batch.add(dict(zip(header, cells, strict=True)), reading.rows, line, offset, raw)
        if len(batch.records) >= ROWS:
            yield batch
            batch = Batch()
    if batch.records:
        yield batch


_UNCLOSED = Misfit(Reason.UNCLOSED_QUOTE, "a quoted cell is not closed, or text follows its closing quote")


def _fail(reading: Reading, misfit: Misfit, lines: _Lines) -> None:
    offset, line, _ = lines.row[0]
    reading.fail(misfit, b"".join(part[2] for part in lines.row).rstrip(b"\r\n"), line=line, offset=offset)


def _header(header: list[str], raw: bytes) -> Misfit | None:
    if len(set(header)) < len(header):
        twice = Counter(header).most_common(1)[0][0]
        return Misfit(Reason.DUPLICATE_COLUMN, f"the column {name_of(twice)!r} stands twice in the header")
    return _bytes_of(raw)


def _row(cells: list[str], header: list[str], raw: bytes) -> Misfit | None:
    if wrong := _bytes_of(raw):
        return wrong
    if len(cells) != len(header):
        return Misfit(Reason.RAGGED_ROW, f"the row has {len(cells)} cells, the header {len(header)}")
    return None


def _bytes_of(raw: bytes) -> Misfit | None:
    if b"\x00" in raw:
        return Misfit(Reason.NUL, f"{raw.count(0)} NUL bytes in the row")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as invalid:
            return Misfit(Reason.INVALID_UTF8, f"byte {invalid.start + 1} of the row is not UTF-8")
    return None
