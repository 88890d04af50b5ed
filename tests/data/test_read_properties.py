"""Whatever bytes a file holds, reading it ends in counts that close or in an error for people."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.errors import GateError

RECORDS: list[dict[str, object]] = [
    {"messages": [{"role": "user", "content": "ä {[,]}"}, {"role": "assistant", "content": 'say "b": 1'}], "n": index}
    for index in range(6)
]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


def _columns(write: object) -> bytes:
    buffer = io.BytesIO()
    write(pa.Table.from_pylist(RECORDS), buffer)  # type: ignore[operator]
    return buffer.getvalue()


def _stream(table: pa.Table, buffer: io.BytesIO) -> None:
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)


def _file(table: pa.Table, buffer: io.BytesIO) -> None:
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)


SEEDS = {
    "a.jsonl": LINES,
    "a.json": json.dumps(RECORDS).encode(),
    "b.json": json.dumps({"v": 1, "rows": RECORDS}, indent=1).encode(),
    "a.csv": pl.DataFrame({"prompt": ['a,"b', "c\nd"], "completion": ["é", ""]}).write_csv().encode(),
    "a.tsv": b'text\tk\n"a\tb"\tc\n',
    "a.jsonl.gz": gzip.compress(LINES),
    "a.jsonl.zst": zstandard.compress(LINES),
    "a.parquet": _columns(pq.write_table),
    "a.arrow": _columns(_file),
    "b.arrow": _columns(_stream),
}

PIECES = [
    b"",
    b"\x00",
    b"\xff",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\n",
    b"\r\n",
    b"\\",
    b"\\ud800",
    b"NaN",
    b":",
    b"9" * 25,
]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES) | st.binary(max_size=8)), max_size=5
)


def check(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            dataset = read([path], source=True)
        except GateError:
            return
    assert dataset.examples.schema == EXAMPLES
    assert dataset.malformed.schema == MALFORMED
    (file,) = dataset.files
    assert file.rows == dataset.examples.height + dataset.malformed.height > 0
    rows = [*dataset.examples["row"], *dataset.malformed["row"].drop_nulls()]
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert dataset.malformed["reason"].null_count() == 0
    assert dataset.examples["source"].null_count() == 0


def mutate(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, piece in changes:
        start = int(where * len(content))
        content = content[:start] + piece + content[start + length :]
    return content


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(relaxed, max_examples=120)
@given(st.sampled_from(sorted(SEEDS)), edits)
def test_mutated_files_are_judged_and_the_counts_close(name: str, changes: list[tuple[float, int, bytes]]) -> None:
    check(name, mutate(SEEDS[name], changes))


@settings(relaxed, max_examples=60)
@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=200))
def test_random_bytes_under_any_name(name: str, content: bytes) -> None:
    check(name, content)


@pytest.mark.slow
@settings(relaxed, max_examples=10_000)
@given(st.sampled_from(sorted(SEEDS)), edits)
def test_ten_thousand_mutations(name: str, changes: list[tuple[float, int, bytes]]) -> None:
    check(name, mutate(SEEDS[name], changes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
known = st.sampled_from(
    ["messages", "conversations", "prompt", "completion", "chosen", "rejected", "label", "text", "instruction", "input",
     "output", "tools", "system", "history", "split", "question", "answer", "role", "content", "from", "value",
     "context"]
)  # fmt: skip
turn = st.dictionaries(
    st.sampled_from(["role", "content", "from", "value", "name", "tool_calls", "tool_call_id", "x", "function_call"]),
    st.sampled_from(["user", "assistant", "tool", "function_call", "hi", '{"name": "f"}']) | json_values,
    max_size=4,
)
records = st.dictionaries(known, json_values | st.lists(turn, max_size=3) | turn | st.text(max_size=5), max_size=5)


@settings(relaxed, max_examples=150)
@given(st.lists(records, min_size=1, max_size=4), st.sampled_from(["a.jsonl", "a.json"]))
def test_records_of_any_form(rows: list[dict[str, object]], name: str) -> None:
    text = "\n".join(json.dumps(row) for row in rows) if name == "a.jsonl" else json.dumps(rows)
    check(name, text.encode())
