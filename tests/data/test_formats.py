"""Containers: compressed text, Parquet, Arrow, `save_to_disk` folders; whole, damaged, and under the wrong name."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gate.data.frame import Dataset
from gate.data.read import read
from gate.data.stream import Limits
from gate.errors import InputError

ROWS = [{"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]} for n in range(50)]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def read_bytes(folder: Path, name: str, content: bytes, limits: Limits | None = None) -> Dataset:
    path = folder / name
    path.write_bytes(content)
    return read([path], limits=limits or Limits())


def parquet_of(rows: list[dict[str, object]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=20)
    return buffer.getvalue()


def arrow_of(rows: list[dict[str, object]], *, stream: bool) -> bytes:
    table = pa.Table.from_pylist(rows)
    buffer = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(buffer, table.schema) as writer:
        writer.write_table(table, max_chunksize=20)
    return buffer.getvalue()


CONTAINERS = {
    "rows.jsonl": (JSONL, "jsonl"),
    "rows.ndjson": (JSONL, "jsonl"),
    "rows.jsonl.gz": (gzip.compress(JSONL), "jsonl+gz"),
    "two-members.jsonl.gz": (gzip.compress(JSONL[:100]) + gzip.compress(JSONL[100:]) + b"\0\0", "jsonl+gz"),
    "rows.jsonl.zst": (zstandard.compress(JSONL), "jsonl+zst"),
    "two-frames.jsonl.zst": (zstandard.compress(JSONL[:100]) + zstandard.compress(JSONL[100:]), "jsonl+zst"),
    "rows.json": (json.dumps(ROWS, indent=1).encode(), "json"),
    "rows.json.gz": (gzip.compress(json.dumps(ROWS).encode()), "json+gz"),
    "wrapped.json": (json.dumps({"name": "x", "rows": ROWS, "n": [1]}).encode(), "json"),
    "lines.json": (JSONL, "json"),
    "array.jsonl": (json.dumps(ROWS).encode(), "jsonl"),
    "indented.jsonl": (json.dumps(ROWS, indent=2).encode(), "jsonl"),
    "rows.csv": (pl.DataFrame({"messages": [json.dumps(r["messages"]) for r in ROWS]}).write_csv().encode(), "csv"),
    "rows.parquet": (parquet_of(ROWS), "parquet"),
    "rows.arrow": (arrow_of(ROWS, stream=False), "arrow"),
    "stream.arrow": (arrow_of(ROWS, stream=True), "arrow"),
    "parquet-inside.jsonl": (parquet_of(ROWS), "parquet"),
    "gzip-inside.jsonl": (gzip.compress(JSONL), "jsonl+gz"),
    "no_extension": (JSONL, "json"),
    "no_extension_array": (json.dumps(ROWS).encode(), "json"),
    "no_extension_parquet": (parquet_of(ROWS), "parquet"),
    "rows.parquet.gz": (gzip.compress(parquet_of(ROWS)), "parquet+gz"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_same_rows_from_any_container_are_the_same_examples(tmp_path: Path, name: str) -> None:
    content, form = CONTAINERS[name]
    dataset = read_bytes(tmp_path, name, content)
    assert dataset.malformed.height == 0
    assert (dataset.files[0].format, dataset.files[0].examples) == (form, 50)
    expected = read_bytes(tmp_path, "expected.jsonl", JSONL)
    columns = ["id", "record_id", "messages", "row"]
    assert dataset.examples.select(columns).equals(expected.examples.select(columns))


def test_a_single_object_is_one_record(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.json", json.dumps(ROWS[0], indent=1).encode()).examples.height == 1


def test_keys_that_parquet_fills_with_nulls_are_missing_keys(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}
    rows = [{"messages": [*ROWS[0]["messages"], call, {"role": "tool", "content": "r", "tool_call_id": "1"}]}]
    rows += [{"messages": [{"role": "assistant", "tool_calls": [{"name": "g", "arguments": {"y": 2}}]}]}]
    one = read_bytes(tmp_path, "a.parquet", parquet_of(rows))
    other = read_bytes(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert one.examples["id"].to_list() == other.examples["id"].to_list()
    assert one.malformed.height == 0


def test_values_that_json_does_not_have_are_kept_as_text(tmp_path: Path) -> None:
    import datetime
    import decimal

    row = {"text": "T", "day": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.10"), "raw": b"\x00\xff"}
    (meta,) = read_bytes(tmp_path, "a.parquet", parquet_of([row])).examples["meta"]
    assert json.loads(meta) == {"day": "2026-01-02", "price": "1.10", "raw": "AP8="}


def test_types_that_polars_lacks_are_read_too(tmp_path: Path) -> None:
    span = pa.array([pa.MonthDayNano([1, 2, 3])], pa.month_day_nano_interval())
    table = pa.table({"text": ["T"], "span": span, "half": pa.array([1.5], pa.float16())})
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    dataset = read_bytes(tmp_path, "a.arrow", buffer.getvalue())
    assert dataset.examples["text"].to_list() == ["T"]
    assert json.loads(dataset.examples["meta"][0])["half"] == 1.5


def test_a_parquet_text_that_is_not_utf8_costs_its_row_only(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 3, pa.array([b"aa", b"b\xff", b"cc"], pa.binary()).buffers())
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": text}), buffer)
    dataset = read_bytes(tmp_path, "a.parquet", buffer.getvalue())
    assert dataset.examples["text"].to_list() == ["aa", "cc"]
    assert dataset.malformed.select("row", "reason").rows() == [(2, "invalid_utf8")]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "stream.arrow"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "header only", "middle"])
def test_a_damaged_container_is_a_finding_on_the_file(tmp_path: Path, name: str, damage: str) -> None:
    content = CONTAINERS[name][0]
    half = len(content) // 2
    content = {
        "cut": content[:half],
        "garbage": b"this is no such file" * 9,
        "header only": content[:8],
        "middle": content[: half - 300] + b"\xa5" * 600 + content[half + 300 :],
    }[damage]
    dataset = read_bytes(tmp_path, name, content)
    assert dataset.malformed["row"].null_count() == 1
    assert dataset.malformed.filter(pl.col("row").is_null())["reason"].item() in ("corrupt", "truncated")
    assert dataset.files[0].rows == dataset.examples.height + dataset.malformed.height


@pytest.mark.parametrize("name", ["empty.parquet", "empty.arrow"])
def test_no_rows(tmp_path: Path, name: str) -> None:
    table = pa.table({"text": pa.array([], pa.string())})
    buffer = io.BytesIO()
    if name.endswith("parquet"):
        pq.write_table(table, buffer)
    else:
        with pa.ipc.new_file(buffer, table.schema) as writer:
            writer.write_table(table)
    dataset = read_bytes(tmp_path, name, buffer.getvalue())
    assert dataset.malformed.select("row", "reason").rows() == [(None, "no_rows")]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_truncated_stream_keeps_the_rows_that_came_out(tmp_path: Path, compress: object) -> None:
    import random

    noise = random.Random(1)
    lines = [json.dumps({"text": noise.randbytes(400).hex()}).encode() + b"\n" for _ in range(2000)]
    content = compress(b"".join(lines))  # type: ignore[operator]
    for suffix, whole in ((".jsonl", b"".join(lines)), (".json", b"[" + b",".join(lines) + b"]")):
        content = compress(whole)  # type: ignore[operator]
        dataset = read_bytes(tmp_path, f"rows{suffix}.gz", content[: len(content) // 2])
        assert 500 < dataset.examples.height < 1500
        assert dataset.malformed.select("row", "reason").rows() == [(None, "truncated")]
        assert dataset.examples["row"].to_list() == list(range(1, dataset.examples.height + 1))


def test_damaged_gzip_and_zstd_keep_what_came_before(tmp_path: Path) -> None:
    for compress in (gzip.compress, zstandard.compress):
        content = bytearray(compress(b'{"text": "a"}\n') + compress(JSONL))
        content[len(content) // 2 :] = b"\x55" * (len(content) - len(content) // 2)
        dataset = read_bytes(tmp_path, "rows.jsonl.gz", bytes(content))
        assert dataset.malformed["row"].null_count() == 1
        assert dataset.files[0].rows == dataset.examples.height + dataset.malformed.height


def test_a_bomb_is_stopped_at_its_limit(tmp_path: Path) -> None:
    limits = Limits(expanded_floor=10 << 20, expanded_ratio=10, record=1 << 20)
    zeros = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(zeros.compress(b"0" * (1 << 20)) for _ in range(100)), zeros.flush()])
    for content in (bomb, zstandard.compress(b"0" * (100 << 20))):
        dataset = read_bytes(tmp_path, "rows.jsonl", content, limits)
        assert "too_large" in dataset.malformed["reason"].to_list()
        assert dataset.examples.height == 0
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["0" * (30 << 20)]}), buffer, compression="zstd", use_dictionary=False)
    dataset = read_bytes(tmp_path, "rows.parquet", buffer.getvalue(), limits)
    assert dataset.malformed["reason"].to_list() == ["too_large"]


def test_a_git_lfs_pointer_says_what_to_do(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    for name in ("a.jsonl", "a.parquet", "a.csv"):
        dataset = read_bytes(tmp_path, name, pointer)
        assert dataset.malformed.select("row", "reason").rows() == [(None, "lfs_pointer")]
        assert "git lfs pull" in dataset.malformed["message"].item()


def test_a_named_file_in_no_format_is_refused(tmp_path: Path) -> None:
    for content in (b"\x89PNG\r\n\x1a\n\x00\x00", b"just words\n"):
        with pytest.raises(InputError, match="picture"):
            read_bytes(tmp_path, "picture", content)


def test_source_is_the_record_as_it_was_read(tmp_path: Path) -> None:
    rows = b'{"text":  "\\u00e4" , "n": 1.0}\r\n{"text": "b"}'
    (tmp_path / "a.jsonl").write_bytes(rows)
    (tmp_path / "b.json").write_bytes(b"[" + rows.replace(b"\r\n", b",") + b"]")
    (tmp_path / "c.csv").write_bytes(b"text,n\na,1\n")
    dataset = read([tmp_path], source=True)
    first = '{"text":  "\\u00e4" , "n": 1.0}'
    assert dataset.examples["source"].to_list() == [first, '{"text": "b"}'] * 2 + ['{"text":"a","n":"1"}']
    assert read([tmp_path]).examples["source"].null_count() == 5


def test_a_saved_dataset_folder_is_read_by_its_own_index(tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = tmp_path / split
        folder.mkdir()
        for shard in range(2):
            (folder / f"data-0000{shard}-of-00002.arrow").write_bytes(arrow_of(ROWS[:5], stream=True))
        (folder / "cache-1.arrow").write_bytes(arrow_of(ROWS, stream=True))
        listed = [{"filename": f"data-0000{shard}-of-00002.arrow"} for shard in range(2)]
        (folder / "state.json").write_text(json.dumps({"_data_files": listed, "_split": split}))
        (folder / "dataset_info.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    dataset = read([tmp_path])
    assert [(one.path, one.split, one.examples) for one in dataset.files] == [
        (f"{split}/data-0000{shard}-of-00002.arrow", split, 5) for split in ("test", "train") for shard in range(2)
    ]
    assert len(dataset.skipped) == 7
    (tmp_path / "test" / "data-00001-of-00002.arrow").unlink()
    (bad,) = read([tmp_path]).malformed.to_dicts()
    assert (bad["file"], bad["row"], bad["reason"]) == ("test/data-00001-of-00002.arrow", None, "missing_file")
