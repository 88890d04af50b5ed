"""Files that were damaged, or made to cost more than they weigh: each is judged, none brings the reader down."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.data.frame import Dataset
from gate.data.read import read
from gate.data.stream import Limits
from gate.errors import GateError

ROWS = [
    {
        "messages": [{"role": "user", "content": "ä {[,]}"}, {"role": "assistant", "content": f"b {n}"}],
        "tags": ["a", "b"],
        "n": n,
    }
    for n in range(40)
]
TABLE = pa.Table.from_pylist(ROWS)


def _parquet(**options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(TABLE, buffer, row_group_size=20, **options)
    return buffer.getvalue()


def _arrow(form: Callable[..., pa.RecordBatchFileWriter], compression: str | None) -> bytes:
    buffer = io.BytesIO()
    with form(buffer, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in TABLE.to_batches(max_chunksize=20):
            writer.write_batch(batch)
    return buffer.getvalue()


LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
SEEDS = {
    "plain.parquet": _parquet(compression="none"),
    "snappy.parquet": _parquet(compression="snappy"),
    "zstd.parquet": _parquet(compression="zstd", data_page_version="2.0", use_dictionary=False),
    "file.arrow": _arrow(pa.ipc.new_file, None),
    "lz4.arrow": _arrow(pa.ipc.new_file, "lz4"),
    "stream.arrow": _arrow(pa.ipc.new_stream, "zstd"),
    "rows.jsonl.gz": gzip.compress(LINES) + gzip.compress(LINES),
    "rows.jsonl.zst": zstandard.compress(LINES) + zstandard.compress(LINES),
}

flips = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6).map(
    lambda bits: ("flip", bits)
)
tails = st.lists(st.tuples(st.integers(1, 700), st.integers(0, 255)), min_size=1, max_size=6).map(
    lambda bits: ("tail", bits)
)
cuts = st.floats(0, 1).map(lambda where: ("cut", where))
splices = st.tuples(st.sampled_from(sorted(SEEDS)), st.floats(0, 1), st.floats(0, 1)).map(
    lambda parts: ("splice", parts)
)


def damaged(content: bytes, damage: tuple[str, object]) -> bytes:
    how, what = damage
    out = bytearray(content)
    if how == "flip":
        for where, value in what:  # type: ignore[attr-defined]
            out[int(where * (len(out) - 1))] = value
    elif how == "tail":  # where Parquet and Arrow files keep what they say of themselves
        for back, value in what:  # type: ignore[attr-defined]
            out[-min(back, len(out))] = value
    elif how == "cut":
        del out[int(what * len(out)) :]  # type: ignore[operator]
    else:
        other, here, there = what  # type: ignore[misc]
        out = out[: int(here * len(out))] + SEEDS[other][int(there * len(SEEDS[other])) :]
    return bytes(out)


def closes(dataset: Dataset) -> None:
    (file,) = dataset.files
    assert file.rows == dataset.examples.height + dataset.malformed.height > 0
    rows = [*dataset.examples["row"], *dataset.malformed["row"].drop_nulls()]
    assert sorted(rows) == list(range(1, len(rows) + 1))


def judged(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        begun = time.process_time()
        try:
            closes(read([path]))
        except GateError:
            return
        finally:
            assert time.process_time() - begun < 5


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(relaxed, max_examples=150)
@given(name=st.sampled_from(sorted(SEEDS)), damage=flips | tails | cuts | splices)
def test_a_damaged_container_is_judged(name: str, damage: tuple[str, object]) -> None:
    judged(name, damaged(SEEDS[name], damage))


@pytest.mark.slow
@settings(relaxed, max_examples=10_000)
@given(name=st.sampled_from(sorted(SEEDS)), damage=flips | tails | cuts | splices)
def test_ten_thousand_damaged_containers(name: str, damage: tuple[str, object]) -> None:
    judged(name, damaged(SEEDS[name], damage))


def test_a_damaged_schema_is_told_without_a_cry_of_the_library(tmp_path: Path) -> None:
    """A name or metadata that is not UTF-8 lets Polars panic, which prints a stack even where it is caught."""
    fields = [
        pa.field("text", pa.string(), metadata={"k": b"\xff"}),
        pa.field("in", pa.struct([pa.field("abcd", pa.int64())])),
    ]
    table = pa.table([["a"], [{"abcd": 1}]], schema=pa.schema(fields, metadata={b"\xff": b"\xfe"}))
    path = tmp_path / "a.arrow"
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    for content in (path.read_bytes(), path.read_bytes().replace(b"abcd", b"a\xff\xfeb")):
        path.write_bytes(content)
        script = f"from gate.data.read import read; print(read([{str(path)!r}]).files[0].rows)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
        assert done.stdout.strip() == "1"
        assert done.stderr == ""


ROOT = Path(__file__).parents[2]
SMALL = Limits(expanded_floor=8 << 20, expanded_ratio=10, record=1 << 20, malformed=1000)


def limited(path: Path) -> Dataset:
    begun = time.process_time()
    dataset = read([path], limits=SMALL)
    assert time.process_time() - begun < 10
    closes(dataset)
    return dataset


def gave_up(dataset: Dataset) -> bool:
    return (dataset.malformed.filter(dataset.malformed["row"].is_null())["reason"] == "too_large").any()


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_one_value_that_stands_in_every_row_is_a_bomb(tmp_path: Path, form: str) -> None:
    """50 kB that Parquet's metadata calls 50 kB, and that hold 30,000 rows of half a megabyte."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(30_000, np.int32)), pa.array(["word " * 100_000]))
    table, path = pa.table({"text": column}), tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table)
    dataset = limited(path)
    assert gave_up(dataset)
    assert 0 < dataset.examples.height < 2000


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl", "a.json", "a.csv", "a.jsonl.zst"])
def test_rows_that_cost_nothing_on_disk_and_cannot_be_read_are_given_up(tmp_path: Path, name: str) -> None:
    path, count = tmp_path / name, 200_000
    nothing = pa.table({"text": pa.nulls(count, pa.string())})
    if name.endswith("parquet"):
        pq.write_table(nothing, path)
    elif name.endswith("arrow"):
        with pa.ipc.new_file(path, nothing.schema) as writer:
            writer.write_table(nothing)
    else:
        lines = {"a.json": b"[" + b"1," * count + b"1]", "a.csv": b"text,other\n" + b"1\n" * count}.get(
            name, b"{}\n" * count
        )
        path.write_bytes(zstandard.compress(lines) if name.endswith("zst") else lines)
    dataset = limited(path)
    assert gave_up(dataset)
    assert 1000 <= dataset.malformed.height < 12_000


def test_a_few_good_rows_before_too_many_bad_ones_are_kept(tmp_path: Path) -> None:
    for name, content in {
        "a.jsonl": b'{"text": "a"}\n' * 5 + b"{bad\n" * 5000,
        "a.json": b"[" + b'{"text": "a"},' * 5 + b"1," * 5000 + b"1]",
        "a.csv": b"text,other\n" + b"a,b\n" * 5 + b"1\n" * 5000,
    }.items():
        (tmp_path / name).write_bytes(content)
        dataset = limited(tmp_path / name)
        assert dataset.examples.height == 5, name
        assert gave_up(dataset), name


def _zeros(megabytes: int) -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    return b"".join([*(deflate.compress(bytes(1 << 20)) for _ in range(megabytes)), deflate.flush()])


BOMBS = {
    "gz": _zeros(200),
    "zst": zstandard.compress(bytes(200 << 20), 19),
    "gz, many members": _zeros(2) * 100,
    "zst, many frames": zstandard.compress(bytes(2 << 20)) * 100,
    "gz in gz": gzip.compress(_zeros(200)),
    "zst in gz": gzip.compress(zstandard.compress(bytes(200 << 20))),
    "gz, empty members": gzip.compress(b"") * 50_000,
    "zst, empty frames": zstandard.compress(b"") * 200_000,
    "zst that asks for a window of 2 GB": bytes.fromhex("28b52ffd00a0") + b"\x00" * 40,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_bomb_goes_no_further_than_its_limit(tmp_path: Path, name: str, bomb: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(bomb)
    dataset = limited(path)
    assert dataset.examples.height == 0
    assert dataset.malformed.height > 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one long quoted cell", b'text,n\n"' + b"a,b\n" * 400_000),
        ("quotes without end", b"text\n" + b'"' * 2_000_001),
        ("many columns", b",".join(b"c%d" % n for n in range(60_000)) + b"\n" + b"," * 59_999 + b"\n"),
        ("many short rows", b"text,n\n" + b",\n" * 400_000),
    ],
)
def test_a_table_cannot_make_the_reader_go_over_it_again_and_again(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    limited(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 500_000,
        b'{"a":' * 300_000,
        b"[" + b'{"text": "a"' * 100_000,
        b"[" + b'{"text": "a",}' * 60_000 + b"]",
        b'{"a": [' + b'{"b": [' * 100_000,
        b"[" + b"," * 400_000 + b"]",
        b'["' + b"\\" * 1_000_000,
    ],
    ids=lambda content: content[:16].decode(),
)
def test_a_document_cannot_make_the_reader_go_over_it_again_and_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    limited(tmp_path / "a.json")


def test_a_footer_that_promises_more_rows_than_there_are(tmp_path: Path) -> None:
    """Row counts and lengths in a Parquet footer are believed for nothing: every number in it, made absurd in turn."""
    whole = SEEDS["plain.parquet"]
    footer = int.from_bytes(whole[-8:-4], "little")
    start = len(whole) - 8 - footer
    for at in range(start, len(whole) - 8, 17):
        for value in (b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08", b"\x00"):
            judged("a.parquet", whole[:at] + value + whole[at + len(value) :])
    for length in (0, 1, footer - 1, footer + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        judged("a.parquet", whole[:-8] + length.to_bytes(4, "little") + whole[-4:])


def test_a_damaged_file_among_good_ones_is_a_finding_of_the_whole_check(judge, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, content in SEEDS.items():
        (data / name).write_bytes(content[: len(content) * 2 // 3])
    (data / "good.jsonl").write_bytes(LINES)
    result = judge(data, select="structure")
    assert result.verdict == "fail"
    assert set(result.findings.drop_nulls("file")["file"]) == set(SEEDS)
