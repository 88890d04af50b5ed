"""Files written again with some rows changed: everything else stays byte for byte, in every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.data.convert import Example
from gate.data.export import Changes, Exported, _Cut, _spliced, export
from gate.data.find import Source, find_sources
from gate.data.frame import SourceFile
from gate.data.read_file import FileReader
from gate.data.strings import json_replaced, row_replaced, strings_of, text_of
from gate.errors import InputError

ROWS = [{"prompt": f"Question {n}?", "completion": f'Answer {n}, é \u2028 "so"', "n": n} for n in range(1, 7)]


def described(path: Path) -> tuple[Source, SourceFile]:
    found = find_sources([path])
    reader = FileReader(found.sources[0], found.root)
    list(reader)
    assert reader.rest.source is not None
    return found.sources[0], reader.rest.source


def upper(example: Example, strings: Sequence[str]) -> Mapping[str, str]:
    """A change of one text: that of the answer."""
    text = text_of(example, "messages[1].content")
    assert text is not None
    assert text in strings
    return {text: text.upper()}


def exported(path: Path, *, drop: Sequence[int] = (), rewrite: Sequence[int] = ()) -> tuple[Path, Exported]:
    source, file = described(path)
    target = path.with_name("out" + "".join(path.suffixes))
    done = export(source, file, target, Changes(frozenset(drop), dict.fromkeys(rewrite, upper)), None)
    return target, done


def test_lines_that_are_not_touched_keep_their_bytes_line_ends_and_blank_lines(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"prompt": "a",  "completion":"b1"}\r\n',
        b"\r\n",
        b'{"completion": "\\u00e9 \\/ ", "prompt": "c", "n": 1.50}\n',
        b"  \n",
        b"{broken\r\n",
        b'{"prompt": "d", "completion": "e"}',
    ]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(lines))
    target, done = exported(path, drop=[3], rewrite=[2])
    new = b'{"completion": "\\u00c9 / ", "prompt": "c", "n": 1.50}\n'
    assert target.read_bytes() == b"".join([*lines[:2], new, lines[3], lines[5]])
    assert (done.dropped, done.rewritten, done.kept) == (1, {2}, 3)


def test_the_last_line_without_a_line_end_can_go(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "b"}')
    assert exported(path, drop=[2])[0].read_bytes() == b'{"text": "a"}\n'


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_stay_compressed(tmp_path: Path, suffix: str) -> None:
    lines = [json.dumps(row).encode() + b"\n" for row in ROWS]
    path = tmp_path / f"rows.jsonl{suffix}"
    pack = gzip.compress if suffix == ".gz" else zstandard.compress
    path.write_bytes(pack(b"".join(lines)))
    target, _ = exported(path, drop=[1, 4])
    if suffix == ".gz":
        unpacked = gzip.decompress(target.read_bytes())
    else:
        unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(target.read_bytes())
    assert unpacked == b"".join(lines[1:3] + lines[4:])


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("drop", [[1], [6], [3], [1, 2, 6], [2, 3, 4, 5, 6]])
def test_an_array_keeps_its_indentation(tmp_path: Path, indent: int | str | None, drop: list[int]) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
    target, _ = exported(path, drop=drop)
    kept = [row for number, row in enumerate(ROWS, 1) if number not in drop]
    assert target.read_text(encoding="utf-8") == json.dumps(kept, indent=indent, ensure_ascii=False) + "\n"


def test_what_stands_around_the_rows_of_a_json_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"version": 1.0, "data": ROWS, "licence": "CC0"}, indent=1), encoding="utf-8")
    target, _ = exported(path, drop=[2], rewrite=[1])
    kept = [{**ROWS[0], "completion": str(ROWS[0]["completion"]).upper()}, *ROWS[2:]]
    assert target.read_text() == json.dumps({"version": 1.0, "data": kept, "licence": "CC0"}, indent=1)


def test_an_array_with_a_broken_element_loses_just_that(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[\n {"text": "a"},\n {"text": b},\n {"text": "c"}\n]\n')
    assert exported(path, drop=[2])[0].read_text() == '[\n {"text": "a"},\n {"text": "c"}\n]\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("delimiter", "quoting"), [(",", csv.QUOTE_ALL), (",", csv.QUOTE_MINIMAL), (";", csv.QUOTE_MINIMAL)]
)
def test_csv_keeps_its_dialect(tmp_path: Path, delimiter: str, end: str, quoting: Literal[0, 1]) -> None:
    def written(rows: list[dict[str, object]]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(
            text, ["prompt", "completion"], delimiter=delimiter, lineterminator=end, quoting=quoting
        )
        writer.writeheader()
        writer.writerows(rows)
        return b"\xef\xbb\xbf" + text.getvalue().encode()

    rows: list[dict[str, object]] = [
        {"prompt": f"Q {n}", "completion": f'a "{n}",\nb; {n}' if n % 2 else f"plain {n}"} for n in range(1, 6)
    ]
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows))
    target, done = exported(path, drop=[2], rewrite=[3, 4])
    rows[2]["completion"] = str(rows[2]["completion"]).upper()
    rows[3]["completion"] = str(rows[3]["completion"]).upper()
    assert target.read_bytes() == written([rows[0], *rows[2:]])
    assert done.rewritten == {3, 4}


def test_a_ragged_row_goes_with_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_bytes(b"prompt\tcompletion\r\na\tb\r\nc\r\nd\te\r\n")
    assert exported(path, drop=[2])[0].read_bytes() == b"prompt\tcompletion\r\na\tb\r\nd\te\r\n"


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_parquet_keeps_schema_metadata_row_groups_and_compression(tmp_path: Path, codec: str) -> None:
    table = pa.table(
        {
            "messages": pa.array(
                [[{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": f"a{n}"}] for n in range(10)]
            ),
            "score": pa.array([n / 3 for n in range(10)], pa.float32()),
            "tag": pa.array([f"t{n % 2}" for n in range(10)]).dictionary_encode(),
        }
    ).replace_schema_metadata({"huggingface": "{}", "x": "y"})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=4, compression=codec)
    target, done = exported(path, drop=[2, 9, 10], rewrite=[1, 6])
    old, new = pq.ParquetFile(path), pq.ParquetFile(target)
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    assert [new.metadata.row_group(i).num_rows for i in range(new.num_row_groups)] == [3, 4]
    assert new.metadata.row_group(0).column(0).compression == old.metadata.row_group(0).column(0).compression
    expected = table.to_pylist()
    for index in (0, 5):
        expected[index]["messages"][1]["content"] = f"A{index}"
    assert new.read().to_pylist() == [row for number, row in enumerate(expected, 1) if number not in (2, 9, 10)]
    assert (done.kept, done.dropped, done.rewritten) == (7, 3, {1, 6})


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_arrow_keeps_form_batches_and_compression(tmp_path: Path, form: str, codec: str | None) -> None:
    table = pa.table({"text": [f"row {n} " * 50 for n in range(9)]})
    path = tmp_path / "rows.arrow"
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=3)
    target, _ = exported(path, drop=[1])
    opened = pa.ipc.open_file(target) if form == "file" else pa.ipc.open_stream(target)
    assert opened.read_all().to_pylist() == table.to_pylist()[1:]
    again = tmp_path / "again.arrow"
    with new(again, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        for batch in pa.ipc.open_file(target).read_all().to_batches() if form == "file" else opened_again(target):
            writer.write_batch(batch)
    assert again.stat().st_size == target.stat().st_size


def opened_again(path: Path) -> list[pa.RecordBatch]:
    return list(pa.ipc.open_stream(path).read_all().to_batches())


def test_blocks_may_end_anywhere() -> None:
    content = b"".join(b"%d-%s\r\n" % (n, b"x" * (n % 5)) for n in range(40))
    starts = [0, *(at + 1 for at, byte in enumerate(content) if byte == 10)][:-1]
    for size in (1, 2, 3, 7, 64, 1000):
        blocks = (content[at : at + size] for at in range(0, len(content), size))
        cuts = [
            _Cut(start, None) if n % 3 else _Cut(start, start + 2, b"!", True)
            for n, start in enumerate(starts)
            if n % 2
        ]
        expected = content
        for cut in reversed(cuts):
            if cut.end is None:
                end = expected.index(b"\n", cut.start) + 1
            else:
                end = cut.end + 2 * (expected[cut.end : cut.end + 2] == b"\r\n")
            expected = expected[: cut.start] + cut.new + expected[end:]
        assert b"".join(_spliced(blocks, iter(cuts))) == expected


def test_a_file_that_is_not_what_was_judged_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    source, file = described(path)
    path.write_text('{"text": "b"}\n{"text": "a"}\n')
    with pytest.raises(InputError, match="changed while"):
        export(source, file, tmp_path / "out.jsonl", Changes(frozenset({1}), {}), None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON, st.booleans(), st.text(max_size=8))
@settings(max_examples=150, deadline=None)
def test_replacing_texts_changes_them_and_nothing_else(value: object, ascii_: bool, new: str) -> None:
    try:
        raw = json.dumps([value], ensure_ascii=ascii_, indent=1).encode()
    except UnicodeEncodeError:
        return
    assert json_replaced(raw, {}) == raw
    texts = [text for text in strings_of([value]) if not text.startswith(("{", "["))]
    for text in texts[:1]:
        changed = json_replaced(raw, {text: new})
        assert json.loads(changed) == _swapped([value], text, new)


def _swapped(value: object, old: str, new: str) -> object:
    if isinstance(value, str):
        if value != old and value[:1] in "{[" and value:
            return json_replaced(value.encode(), {old: new}).decode() if _is_json(value) else value
        return new if value == old else value
    if isinstance(value, dict):
        return {key: _swapped(item, old, new) for key, item in value.items()}
    return [_swapped(item, old, new) for item in value] if isinstance(value, list) else value


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def test_json_inside_a_cell_is_looked_into() -> None:
    cell = json.dumps([{"role": "user", "content": "to a@b.org"}])
    raw = f'1;"{cell.replace(chr(34), chr(34) * 2)}"\r\n'.encode()
    changed = row_replaced(raw, ["1", cell], {"to a@b.org": "to <X>"})
    assert changed == raw.replace(b"a@b.org", b"<X>")
