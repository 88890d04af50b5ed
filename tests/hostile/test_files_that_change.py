"""A file that grows, shrinks or is replaced while it is read is noticed: what is judged is what was digested."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gate.admission.prepare import Reading
from gate.admission.shards import read_shards
from gate.admission.sources import Sources, gather
from gate.errors import GateError, InputError
from gate.folders import Folders
from gate.store.cache import Cache

LINES = b"".join(json.dumps({"text": f"row {n} " + "word " * 40}).encode() + b"\n" for n in range(2000))


def _parquet(first: int) -> bytes:
    buffer = io.BytesIO()
    rows = [f"row {n} " + os.urandom(30).hex() for n in range(first, first + 4000)]
    pq.write_table(pa.table({"text": rows}), buffer, row_group_size=1000)
    return buffer.getvalue()


FORMS = {
    "a.jsonl": (LINES, LINES[::-1]),
    "a.json": (b"[" + LINES.replace(b"}\n", b"},")[:-1] + b"]", b"[]"),
    "a.parquet": (_parquet(0), _parquet(1)),
}

CHANGES: dict[str, Callable[[Path, bytes], object]] = {
    "grows": lambda path, other: path.open("ab").write(LINES),
    "shrinks": lambda path, other: os.truncate(path, path.stat().st_size // 2),
    "is emptied": lambda path, other: os.truncate(path, 0),
    "is written over in place": lambda path, other: path.open("r+b").write(other),
    "is replaced": lambda path, other: (
        path.with_suffix(".new").write_bytes(other),
        path.with_suffix(".new").replace(path),
    ),
    "is removed": lambda path, other: path.unlink(),
}


def gathered(path: Path, spool: Path) -> Sources:
    return gather([path], spool, stdin=io.BytesIO())


def job_of(sources: Sources, cache: Cache):
    reading = Reading(columns=None, keep_source=False, folders=Folders(), cache=cache)
    (hashed,) = sources.files
    return reading.job(reading.key(hashed, sources), hashed, sources)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", FORMS)
def test_a_change_between_the_digest_and_the_reading_is_an_error(
    tmp_path: Path, name: str, change: Callable[[Path, bytes], object]
) -> None:
    path, cache = tmp_path / name, Cache(tmp_path / "cache")
    path.write_bytes(FORMS[name][0])
    job = job_of(gathered(path, tmp_path), cache)
    change(path, FORMS[name][1])
    with pytest.raises(InputError) as error:
        list(read_shards(job, cache))
    assert name in str(error.value)
    assert cache.get(job.key) is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", FORMS)
def test_a_change_in_the_middle_of_the_reading_is_never_kept_as_what_was_digested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path, bytes], object]
) -> None:
    """Whoever opened the file before it was replaced reads the old one, which is what was digested; any other change is
    an error. What is in the cache is what the digest stands for."""
    monkeypatch.setattr("gate.data.read_file.SHARD_ROWS", 500)
    monkeypatch.setattr("gate.data.stream.BLOCK", 64 << 10)
    path, cache = tmp_path / name, Cache(tmp_path / "cache")
    path.write_bytes(FORMS[name][0])
    wanted = [shard.examples["id"].to_list() for shard in read_shards(job_of(gathered(path, tmp_path), cache), cache)]
    cache.clear()
    job = job_of(gathered(path, tmp_path), cache)
    read = []
    try:
        for number, shard in enumerate(read_shards(job, cache)):
            read.append(shard.examples["id"].to_list())
            if number == 0:
                change(path, FORMS[name][1])
    except GateError:
        assert cache.get(job.key) is None
    else:
        assert read == wanted


@pytest.mark.parametrize("name", FORMS)
def test_the_whole_command_says_so(judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from gate.verbs import check as module

    path = tmp_path / "data" / name
    path.parent.mkdir()
    path.write_bytes(FORMS[name][0])

    def gather_and_change(*arguments: object, **options: object) -> Sources:
        sources = gather(*arguments, **options)  # type: ignore[arg-type]
        path.write_bytes(FORMS[name][1])
        return sources

    monkeypatch.setattr(module, "gather", gather_and_change)
    with pytest.raises(InputError, match="changed while it was read"):
        judge(path.parent, select="size")
    monkeypatch.undo()
    assert judge(path.parent, select="size", cache=False).dataset.files[0].path == name
