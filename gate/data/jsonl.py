"""JSON Lines: one object per line, in blocks, so that a file of any size is read in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gate.data.batch import ROWS, Batch, Reading
from gate.data.malformed import Malformed, Misfit, Reason, head
from gate.data.parse import parse_record, suspicious

BOM = b"\xef\xbb\xbf"


def whole_lines(blocks: Iterable[bytes], reading: Reading, longest: int) -> Iterator[tuple[int, int, bytes]]:
    """Blocks cut at line ends: (offset, number of the first line, whole lines).

    Only the last may end without a line feed. A line longer than `longest` bytes is counted as malformed and passed
    over without being held. What stands before a damaged place is handed on before the damage is raised.
    """
    offset, line = 0, 1
    carry: list[bytes] = []
    held = 0
    skipped: _TooLong | None = None
    damage: Misfit | None = None
    source = iter(blocks)
    while True:
        try:
            block = next(source, None)
        except Misfit as misfit:
            damage, block = misfit, None
        if block is None:
            break
        if offset == 0 and held == 0 and block.startswith(BOM):
            offset, block = len(BOM), block[len(BOM) :]
        if skipped is not None:
            end = block.find(b"\n")
            skipped.digest.update(block if end < 0 else block[:end])
            skipped.length += len(block) if end < 0 else end
            if end < 0:
                continue
            _too_long(reading, skipped, line, offset, longest)
            offset, line, block, skipped = offset + skipped.length + 1, line + 1, block[end + 1 :], None
        end = block.rfind(b"\n") + 1
        if end:
            whole = b"".join([*carry, block[:end]])
            yield offset, line, whole
            offset, line = offset + len(whole), line + whole.count(b"\n")
            carry, held, block = [], 0, block[end:]
        if block:
            carry.append(block)
            held += len(block)
        if held > longest:
            start = b"".join(carry)
            skipped = _TooLong(hashlib.sha256(start), len(start), start[:2000])
            carry, held = [], 0
    if skipped is not None:
        _too_long(reading, skipped, line, offset, longest)
    elif carry:
        rest = b"".join(carry)
        if damage is None:
            yield offset, line, rest
        else:
            try:  # the cut may have fallen on the end of a row
                parse_record(rest, suspect=True)
                yield offset, line, rest
                rest = b""
            except Misfit:
                pass
            offset += 0 if rest else len(b"".join(carry))
            reading.fail_file(damage, rest or None, offset=offset)
            return
    if damage is not None:
        reading.fail_file(damage, offset=offset)


@dataclass(slots=True)
class _TooLong:
    """What is kept of a line that is passed over."""

    digest: hashlib._Hash
    length: int
    begins: bytes


def _too_long(reading: Reading, skipped: _TooLong, line: int, offset: int, longest: int) -> None:
    """Count a line that was passed over."""
    reading.rows += 1
    message = f"the line has {skipped.length:,} bytes; the limit for one record is {longest:,}"
    digest = skipped.digest.hexdigest()
    row = Malformed(reading.rows, line, offset, digest, Reason.TOO_LONG, message, head(skipped.begins))
    reading.bad.append(row)


def read_jsonl(blocks: Iterable[bytes], reading: Reading, longest: int) -> Iterator[Batch]:
    """The records of a JSON Lines file; blank lines are not rows.

    A loop over rows, since each is parsed by itself and one bad row must not cost the others (≈ 3 µs per row).
    """
    for start, first_line, block in whole_lines(blocks, reading, longest):
        suspect = suspicious(block)
        offset = start
        batch = Batch()
        for line, raw in enumerate(block.split(b"\n"), first_line):
            here, offset = offset, offset + len(raw) + 1
            if len(raw) < 2 and not raw.strip():
                continue
            try:
                record = parse_record(raw, suspect=suspect and suspicious(raw))
            except Misfit as misfit:
                if not raw.strip():
                    continue
                reading.fail(misfit, raw.removesuffix(b"\r"), line=line, offset=here)
                continue
            reading.rows += 1
            batch.add(record, reading.rows, line, here, raw)
            if len(batch.records) >= ROWS:
                yield batch
                batch = Batch()
        if batch.records or reading.hopeless:
            yield batch
