"""One bad row never costs a file: it is malformed, with its place and reason, and the counts close."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from gate.data.frame import Dataset
from gate.data.malformed import MEANINGS, Reason
from gate.data.read import read
from gate.data.stream import BLOCK, Limits

GOOD = b'{"prompt": "Gr\xc3\xbc\xc3\x9fe \xe2\x9c\x93", "completion": "Hi."}'


def read_bytes(folder: Path, name: str, content: bytes, **options: object) -> Dataset:
    path = folder / name
    path.write_bytes(content)
    dataset = read([path], **options)  # type: ignore[arg-type]
    assert dataset.files[0].rows == dataset.examples.height + dataset.malformed.height
    assert dataset.files[0].sha256 == hashlib.sha256(content).hexdigest()
    return dataset


BAD_ROWS = {
    "invalid_json": b'{"prompt": "a" "completion": "b"}',
    "truncated": b'{"prompt": "a", "completion": "b',
    "invalid_utf8": b'{"prompt": "a\xff", "completion": "b"}',
    "lone_surrogate": b'{"prompt": "a\\ud800", "completion": "b"}',
    "nul": b'{"prompt": "a\x00", "completion": "b"}',
    "not_a_number": b'{"prompt": "a", "completion": "b", "score": NaN}',
    "number_too_large": b'{"prompt": "a", "completion": "b", "n": 123456789012345678901234567890}',
    "duplicate_key": b'{"prompt": "a", "completion": "b", "prompt": "c"}',
    "nested_too_deeply": b'{"prompt": "a", "completion": "b", "x": ' + b"[" * 300 + b"]" * 300 + b"}",
    "not_an_object": b'["a", "b"]',
    "missing_field": b'{"prompt": "a"}',
    "wrong_type": b'{"prompt": "a", "completion": 7}',
    "null_value": b'{"prompt": "a", "completion": null}',
}


@pytest.mark.parametrize(("reason", "raw"), BAD_ROWS.items(), ids=BAD_ROWS)
def test_a_bad_line_is_malformed_and_its_neighbours_survive(tmp_path: Path, reason: str, raw: bytes) -> None:
    dataset = read_bytes(tmp_path, "rows.jsonl", GOOD + b"\n\n" + raw + b"\n" + GOOD + b"\n")
    assert dataset.examples["row"].to_list() == [1, 3]
    assert dataset.examples["line"].to_list() == [1, 4]
    (bad,) = dataset.malformed.to_dicts()
    assert (bad["file"], bad["row"], bad["line"], bad["kind"]) == ("rows.jsonl", 2, 3, "chat")
    assert bad["offset"] == len(GOOD) + 2
    assert bad["digest"] == hashlib.sha256(raw).hexdigest()
    assert bad["reason"] == reason
    assert bad["message"]


@pytest.mark.parametrize(("reason", "raw"), BAD_ROWS.items(), ids=BAD_ROWS)
@pytest.mark.parametrize("wrapper", [b"[%b]", b'{"version": 1, "data": [%b]}', b"\xef\xbb\xbf [\n  %b\n]\n"])
def test_a_bad_element_of_an_array_does_not_cost_the_others(
    tmp_path: Path, wrapper: bytes, reason: str, raw: bytes
) -> None:
    content = wrapper % b",\n".join([GOOD, raw, GOOD, GOOD])
    dataset = read_bytes(tmp_path, "rows.json", content)
    assert dataset.examples["row"].to_list() == [1, 3, 4]
    assert dataset.malformed["row"].to_list() == [2]
    (bad,) = dataset.malformed.to_dicts()
    assert content[bad["offset"] :].startswith(raw)
    assert bad["line"] == content[: bad["offset"]].count(b"\n") + 1
    assert bad["digest"] == hashlib.sha256(raw).hexdigest()
    # An unclosed text meets the line end in an array, where only the end of the file would say that it was cut.
    assert bad["reason"] == reason or (reason == "truncated" and bad["reason"] == "invalid_json")


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


def test_a_truncated_last_line_is_malformed(tmp_path: Path) -> None:
    dataset = read_bytes(tmp_path, "rows.jsonl", GOOD + b"\n" + GOOD[:-9])
    assert dataset.examples.height == 1
    assert dataset.malformed["reason"].to_list() == ["truncated"]


def test_a_last_line_without_a_line_feed_is_a_row(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "rows.jsonl", GOOD + b"\n" + GOOD).examples.height == 2


def test_byte_order_mark_and_carriage_returns_are_no_content(tmp_path: Path) -> None:
    plain = read_bytes(tmp_path, "plain.jsonl", GOOD + b"\n" + GOOD + b"\n")
    other = read_bytes(tmp_path, "other.jsonl", b"\xef\xbb\xbf" + GOOD + b"\r\n" + GOOD + b"\r\n\r\n{bad\r\n")
    assert other.examples["id"].to_list() == plain.examples["id"].to_list()
    (bad,) = other.malformed.to_dicts()
    assert (bad["row"], bad["line"], bad["offset"]) == (3, 4, 3 + 2 * (len(GOOD) + 2) + 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_utf_16_is_named_for_the_file_as_a_whole(tmp_path: Path, encoding: str, name: str) -> None:
    dataset = read_bytes(tmp_path, name, '{"prompt": "a", "completion": "b"}\n'.encode(encoding))
    assert dataset.examples.height == 0
    assert dataset.malformed.select("row", "reason").rows() == [(None, "wrong_encoding")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b""), ("a.jsonl", b"\n \n"), ("a.jsonl", b"\xef\xbb\xbf"), ("a.json", b"[]"), ("a.json", b" "),
        ("a.json", b'{"data": []}'), ("a.csv", b""), ("a.csv", b"prompt,completion\n"), ("a.tsv", b"text"),
    ],
)  # fmt: skip
def test_a_file_without_rows_can_never_pass(tmp_path: Path, name: str, content: bytes) -> None:
    dataset = read_bytes(tmp_path, name, content)
    assert dataset.malformed.select("row", "reason").rows() == [(None, "no_rows")]


def test_a_broken_element_at_the_start_in_the_middle_and_at_the_end(tmp_path: Path) -> None:
    turn = b'{"messages": [{"role": "user", "content": "a, {b}"}, {"role": "assistant", "content": "c"}], "n": %d}'
    unclosed = turn[: turn.index(b"]")]
    unquoted = b'{"messages": [{"role": "user", "content": "a}, {"role": "assistant", "content": "c"}], "n": 0}'
    for broken in (unclosed, unquoted, b"{'messages': 1}", b'{"messages": }', b"garbage"):
        for place in range(4):
            rows = [turn % number for number in range(3)]
            rows.insert(place, broken)
            dataset = read_bytes(tmp_path, "rows.json", b"[" + b", ".join(rows) + b"]")
            assert dataset.examples.height == 3, (broken, place)
            assert dataset.malformed["row"].drop_nulls().to_list() == [place + 1], (broken, place)


def test_an_array_that_is_cut_off_keeps_its_rows(tmp_path: Path) -> None:
    dataset = read_bytes(tmp_path, "rows.json", b"[" + GOOD + b",\n" + GOOD + b",\n" + GOOD[:-8])
    assert dataset.examples.height == 2
    assert dataset.malformed.select("row", "reason").rows() == [(3, "truncated"), (None, "truncated")]


def test_what_follows_an_array_is_reported(tmp_path: Path) -> None:
    dataset = read_bytes(tmp_path, "rows.json", b"[" + GOOD + b"]\n" + GOOD)
    assert dataset.examples.height == 1
    assert dataset.malformed["row"].to_list() == [None]


@pytest.mark.parametrize(
    "around", ["[%s,]", "[%s,,%s]", "[%s %s]", "[,%s]", '{"a": [%s], "b": [%s}', '{"a": [%s], "b": 1,}']
)
def test_an_untidy_array_keeps_its_rows_and_cannot_pass(tmp_path: Path, around: str) -> None:
    count = around.count("%s")
    dataset = read_bytes(tmp_path, "rows.json", (around % ((GOOD.decode(),) * count)).encode())
    assert dataset.examples.height >= 1
    assert dataset.malformed["row"].to_list() == [None]


def test_rows_in_two_lists_are_never_half_read(tmp_path: Path) -> None:
    rows = GOOD.decode()
    for content in (f'{{"a": [{rows}], "b": [{rows}]}}', f'{{"a": [{rows}, bad], "b": [{rows}]}}'):
        assert "unknown_shape" in read_bytes(tmp_path, "rows.json", content.encode()).malformed["reason"].to_list()


def test_one_hundred_megabytes_without_a_line_feed(tmp_path: Path) -> None:
    long = b'{"prompt": "' + b"word " * 20_000_000 + b'", "completion": "b"}'
    started = time.process_time()
    dataset = read_bytes(tmp_path, "rows.jsonl", GOOD + b"\n" + long + b"\n" + GOOD, limits=Limits(record=50 << 20))
    assert time.process_time() - started < 10
    assert dataset.examples["line"].to_list() == [1, 3]
    (bad,) = dataset.malformed.to_dicts()
    assert (bad["row"], bad["reason"], bad["offset"]) == (2, "too_long", len(GOOD) + 1)
    assert bad["digest"] == hashlib.sha256(long).hexdigest()
    assert len(bad["head"]) == 200


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_places_stay_right_over_many_blocks(tmp_path: Path, name: str) -> None:
    text = "ü ✓ " * 400
    rows = [json.dumps({"n": str(number), "text": text}, ensure_ascii=False) for number in range(5_000)]
    rows[4_321] = bad = "broken"
    content = "\n".join(rows)
    if name == "rows.json":
        content = "[" + ",\n".join(rows) + "]"
    elif name == "rows.csv":
        content = "n,text\n" + "\n".join(f"{number},{text}" for number in range(5_000))
        content = content.replace(f"\n4321,{text}\n", f"\n{bad}\n")
    raw = content.encode()
    assert len(raw) > 2 * BLOCK
    dataset = read_bytes(tmp_path, name, raw)
    (row,) = dataset.malformed.to_dicts()
    header = name == "rows.csv"
    assert (row["row"], row["line"]) == (4_322, 4_322 + header)
    assert raw[row["offset"] :].startswith(b"broken")
    numbers = [json.loads(meta)["n"] for meta in dataset.examples["meta"]]
    assert numbers == [str(number) for number in range(5_000) if number != 4_321]
    assert dataset.examples["row"].to_list() == [int(number) + 1 for number in numbers]
    assert dataset.examples["line"].to_list() == [int(number) + 1 + header for number in numbers]


def test_a_long_line_within_the_limit_is_an_example(tmp_path: Path) -> None:
    long = b'{"prompt": "' + b"word " * 4_000_000 + b'", "completion": "b"}'
    dataset = read_bytes(tmp_path, "rows.jsonl", long + b"\n" + GOOD)
    assert dataset.examples.height == 2


def test_deep_nesting_is_a_finding_and_never_a_crash(tmp_path: Path) -> None:
    for depth in (100, 250, 260, 1_000, 1_020, 1_030, 100_000):
        raw = b'{"prompt": "a", "completion": "b", "x": ' + b'{"k": ' * depth + b"1" + b"}" * depth + b"}"
        for name, content in (("a.jsonl", raw + b"\n" + GOOD), ("a.json", b"[" + raw + b"," + GOOD + b"]")):
            dataset = read_bytes(tmp_path, name, content)
            expected = [] if depth == 100 else ["nested_too_deeply"]
            assert dataset.malformed["reason"].to_list() in (expected, [] if depth == 250 else expected)
            assert dataset.examples.height == 2 - dataset.malformed.height


DUPLICATES = [
    b'{"text": "a", "text": "a"}',
    b'{"text" : "a", "text": "b"}',
    b'{"text": "a", "m": {"k": 1, "k": 2}}',
    b'{"text": "a", "te\\u0078t": "b"}',
    b'{"text": "\\u0022: x", "k": 1, "k": 2}',
    b'{"text": "a", "m": [{"k": 1}, {"k": 2, "\\u006b"\t: 3}]}',
    b'{"text": "a", "": 1, "": 2}',
]
NO_DUPLICATES = [
    b'{"text": "\\"text\\": 1", "k": {"text": 1}}',
    b'{"text": "say \\"a\\": \\"b\\" : c", "k": [{"a": 1}, {"a": 2}]}',
    b'{"text" : ": \\u0022: ", "k":{"k":{"k":":"}}}',
]


@pytest.mark.parametrize("raw", DUPLICATES)
def test_duplicate_keys_are_found_wherever_they_hide(tmp_path: Path, raw: bytes) -> None:
    for name, content in (("a.jsonl", raw), ("a.json", b"[" + raw + b"]")):
        assert read_bytes(tmp_path, name, content).malformed["reason"].to_list() == ["duplicate_key"]


@pytest.mark.parametrize("raw", NO_DUPLICATES)
def test_keys_inside_texts_are_no_duplicates(tmp_path: Path, raw: bytes) -> None:
    assert read_bytes(tmp_path, "a.jsonl", raw).malformed.height == 0


def test_integers_that_fit_and_digits_in_texts_are_kept(tmp_path: Path) -> None:
    numbers = b'"n": 18446744073709551615, "f": 0.12345678901234567890123, "m": -9223372036854775808'
    raw = b'{"text": "12345678901234567890123", ' + numbers + b"}"
    (meta,) = read_bytes(tmp_path, "a.jsonl", raw).examples["meta"]
    assert json.loads(meta) == {"n": 2**64 - 1, "f": 0.12345678901234568, "m": -(2**63)}


def test_no_sensitive_value_reaches_a_malformed_row(tmp_path: Path) -> None:
    secret = "4012888888881881"
    pad = "x " * 82
    for raw in (f'{{"text": 1, "card": "{secret}"}}', f'{{"text": "{pad}{secret}', f'{{"{secret}": 1}}'):
        dataset = read_bytes(tmp_path, "a.jsonl", b'{"text": "a"}\n' + raw.encode())
        (bad,) = dataset.malformed.to_dicts()
        assert secret[:8] not in bad["head"] + bad["message"]


class TestTables:
    def test_every_cell_is_a_text(self, tmp_path: Path) -> None:
        dataset = read_bytes(tmp_path, "a.csv", b"question,answer\n1+1,2\n\xc3\xa4,\n")
        assert dataset.examples["messages"].list.get(1).struct.field("content").to_list() == ["2", ""]
        assert dataset.examples["line"].to_list() == [2, 3]

    def test_ragged_rows(self, tmp_path: Path) -> None:
        dataset = read_bytes(tmp_path, "a.csv", b"prompt,completion\na,b\na\na,b,c\n\nc,d\n")
        assert dataset.malformed.select("row", "line", "offset", "reason").rows() == [
            (2, 3, 22, "ragged_row"),
            (3, 4, 24, "ragged_row"),
        ]
        assert dataset.examples["row"].to_list() == [1, 4]

    def test_an_unclosed_quote_costs_one_line(self, tmp_path: Path) -> None:
        content = b'prompt,completion\na,"b\nc,d\ne,"f\ng"\n"h"x,i\nj,k\n'
        dataset = read_bytes(tmp_path, "a.csv", content)
        assert dataset.malformed.select("row", "line", "reason").rows() == [
            (1, 2, "unclosed_quote"),
            (4, 6, "unclosed_quote"),
        ]
        assert dataset.examples["line"].to_list() == [3, 4, 7]
        dataset = read_bytes(tmp_path, "b.csv", b'prompt,completion\na,"b\nc,d\ne,f\n')
        assert dataset.malformed.select("row", "line", "reason").rows() == [(1, 2, "unclosed_quote")]
        assert dataset.examples["line"].to_list() == [3, 4]

    def test_multi_line_cells_keep_lines_and_offsets_right(self, tmp_path: Path) -> None:
        content = 'prompt,completion\r\n"ä\n\nb",c\r\nd,e\r\nx\r\n'.encode()
        dataset = read_bytes(tmp_path, "a.csv", content)
        assert dataset.examples["line"].to_list() == [2, 5]
        (bad,) = dataset.malformed.to_dicts()
        assert (bad["line"], bad["offset"]) == (6, content.index(b"x\r\n"))

    def test_duplicate_header_invalid_utf8_and_nul(self, tmp_path: Path) -> None:
        dataset = read_bytes(tmp_path, "a.csv", b"text,text\na,b\n")
        assert dataset.malformed.select("row", "reason").rows() == [(None, "duplicate_column")]
        dataset = read_bytes(tmp_path, "b.csv", b"text,k\na\xff,b\nc,d\ne\x00,f\n")
        assert dataset.malformed["reason"].to_list() == ["invalid_utf8", "nul"]
        assert dataset.examples.height == 1

    def test_semicolons_and_tabs(self, tmp_path: Path) -> None:
        assert read_bytes(tmp_path, "a.csv", b"prompt;completion\na;b\n").examples.height == 1
        assert read_bytes(tmp_path, "a.tsv", b"prompt\tcompletion\na\tb\n").examples.height == 1

    def test_a_cell_larger_than_the_csv_modules_own_limit(self, tmp_path: Path) -> None:
        assert read_bytes(tmp_path, "a.csv", b"text,k\n" + b"a" * 1_000_000 + b",b\n").examples.height == 1
