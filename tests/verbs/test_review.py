"""A review from the sample to the signed statement: what is kept, what a sheet brings back, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Review
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.verdicts import verdicts_of
from gate.store.objects import Store
from gate.verbs.review import Sample, find_rows, sample, sign
from gate.verbs.review_answers import Answers
from gate.verbs.review_sheet import COLUMNS, _safe, _unsafe, read_sheet, write_sheet

Edit = Callable[[list[dict[str, str]]], None]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "keys"))
    return tmp_path / "state"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [
        {"prompt": f"What is {n} + 1?", "completion": str(n + 1), "topic": "sums" if n % 3 else "rare"}
        for n in range(40)
    ]
    for name, some in (("train.jsonl", rows[:30]), ("test.jsonl", rows[30:])):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


def drawn(data: Path, size: int = 8, **options: object) -> Sample:
    return sample(find_rows([str(data)]), [str(data)], size=size, **options)  # type: ignore[arg-type]


@pytest.fixture
def ana(state: Path) -> PrivateKey:
    return new_key("ana")


# The sample


def test_the_sample_has_some_of_every_split_and_file_with_their_texts(data: Path) -> None:
    found = drawn(data)
    assert found.examples.height == 8
    assert sorted(found.examples["split"].value_counts().iter_rows()) == [("test", 2), ("train", 6)]
    assert found.examples["messages"].list.len().min() == 2
    assert found.snapshot is None


def test_the_sample_does_not_follow_from_the_order_of_rows(data: Path) -> None:
    before = drawn(data).ids
    lines = (data / "train.jsonl").read_text().splitlines(keepends=True)
    (data / "train.jsonl").write_text("".join(reversed(lines)))
    assert drawn(data).ids == before


def test_a_column_of_the_data_stratifies(data: Path) -> None:
    found = drawn(data, stratify="topic")
    assert sorted(found.drawn.strata.rows()) == [("rare", 14, 3), ("sums", 26, 5)]


@pytest.mark.parametrize("column", ["nothing", "../x", "a b; drop", ""])
def test_a_column_that_is_not_there_is_said(data: Path, column: str) -> None:
    with pytest.raises(UsageError, match="column"):
        drawn(data, stratify=column)


def test_what_is_neither_data_nor_a_snapshot_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="neither a path nor a snapshot"):
        find_rows(["support-desk"])


# What is kept


def test_answers_are_kept_at_once_and_for_their_owner_only(data: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    answers.say(found.ids[0], "good")
    answers.say(found.ids[1], "bad", "wrong")
    assert stat.S_IMODE(answers.path.stat().st_mode) == 0o600
    again = drawn(data).answers()
    assert (len(again), again.counts()) == (2, {"good": 1, "bad": 1, "skip": 0})
    assert again.pending().select("id", "verdict", "reason").rows() == sorted(
        [(found.ids[0], "good", None), (found.ids[1], "bad", "wrong")]
    )


def test_a_larger_sample_asks_only_what_is_new(data: Path, ana: PrivateKey, tmp_path: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    for id_ in found.ids:
        answers.say(id_, "good")
    sign(found, answers.pending(), ana, store=tmp_path / "store")
    larger = drawn(data, 12)
    assert set(found.ids) <= set(larger.ids)
    again = larger.answers()
    assert (len(again), again.pending().height) == (8, 0)
    again.say(next(id_ for id_ in larger.ids if id_ not in found.ids), "bad", "wrong")
    statement = sign(larger, again.pending(), ana, store=tmp_path / "store")
    assert isinstance(statement.about, Review)
    assert (statement.about.good, statement.about.bad, statement.about.sampled) == (0, 1, 12)


def test_the_last_answer_is_taken_back_one_by_one(data: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    for id_ in found.ids[:3]:
        answers.say(id_, "good")
    answers.say(found.ids[0], "bad", "after all")
    assert [answers.undo(), answers.undo()] == [found.ids[0], found.ids[2]]
    assert [found.answers().get(id_) is None for id_ in found.ids[:3]] == [True, False, True]
    assert [answers.undo(), answers.undo(), answers.undo()] == [found.ids[1], None, None]


def test_a_process_that_was_killed_in_the_middle_of_a_line_loses_that_line_only(data: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    answers.say(found.ids[0], "good")
    whole = answers.path.read_bytes()
    for cut in range(1, len(whole)):
        answers.path.write_bytes(whole + whole[:cut])
        again = found.answers()
        assert len(again) == 1
    again.say(found.ids[1], "good")
    assert len(found.answers()) == 2


def test_nonsense_in_the_file_is_left_alone(data: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    answers.say(found.ids[0], "good")
    other = {"id": "0" * 64, "verdict": "good", "reason": None, "at": "x"}
    lines = [b"\xff\xfe", b"[]", b"1", b"null", b'{"id": 1}', json.dumps(other).encode(), b'{"undo": "x"}']
    lines.append(json.dumps(other | {"id": found.ids[1], "verdict": "excellent"}).encode())
    with answers.path.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")
    assert len(found.answers()) == 1


@pytest.mark.skipif(os.getuid() == 0 if hasattr(os, "getuid") else True, reason="root may write anywhere")
def test_an_answer_that_cannot_be_kept_is_not_taken(data: Path, state: Path) -> None:
    found = drawn(data)
    state.mkdir(parents=True)
    state.chmod(0o500)
    answers = found.answers()
    with pytest.raises(UsageError, match="cannot be kept"):
        answers.say(found.ids[0], "good")
    assert len(answers) == 0


def test_a_state_folder_that_is_none_is_said(data: Path, state: Path) -> None:
    state.write_text("a file")
    found = drawn(data)
    with pytest.raises(UsageError, match="cannot be kept"):
        found.answers().say(found.ids[0], "good")


# Signing


def test_what_was_said_is_signed_once_and_what_is_changed_again(data: Path, ana: PrivateKey, tmp_path: Path) -> None:
    found = drawn(data, seed=5)
    answers = found.answers()
    answers.say(found.ids[0], "good")
    answers.say(found.ids[1], "bad", "wrong")
    statement = sign(found, answers.pending(), ana, store=tmp_path / "store")
    assert isinstance(statement.about, Review)
    assert (statement.about.sampled, statement.about.seed, statement.about.good) == (8, 5, 1)
    assert (statement.author, statement.about.snapshot) == ("ana", None)
    again = found.answers()
    assert (len(again), again.pending().height) == (2, 0)
    with pytest.raises(UsageError, match="no new verdict"):
        sign(found, again.pending(), ana, store=tmp_path / "store")
    again.say(found.ids[0], "bad", "on second thoughts")
    second = sign(found, again.pending(), ana, store=tmp_path / "store")
    ledger = Ledger(Store(tmp_path / "store"))
    assert verdicts_of(ledger, second).select("id", "verdict", "reason").rows() == [
        (found.ids[0], "bad", "on second thoughts")
    ]
    assert second.previous == statement.digest


def test_what_was_signed_with_the_wrong_key_is_signed_with_the_right_one(
    data: Path, ana: PrivateKey, tmp_path: Path
) -> None:
    found, right = drawn(data), new_key("right")
    answers = found.answers()
    answers.say(found.ids[0], "good")
    sign(found, answers.pending(ana.keyid), ana, store=tmp_path / "store")
    again = found.answers()
    assert [again.pending(key).height for key in (None, ana.keyid, right.keyid)] == [0, 0, 1]
    sign(found, again.pending(right.keyid), right, store=tmp_path / "store")
    assert found.answers().pending(right.keyid).is_empty()


def test_a_statement_that_would_not_count_is_not_signed(data: Path, ana: PrivateKey, tmp_path: Path) -> None:
    found = drawn(data)
    answers = found.answers()
    answers.say(found.ids[0], "good")
    nobody = Trust("trust.yaml", "0" * 64, {})
    with pytest.raises(Untrusted, match="ana"):
        sign(found, answers.pending(), ana, store=tmp_path / "store", trust=nobody)
    assert found.answers().pending().height == 1
    assert not (tmp_path / "store").exists()


# Sheets


def sheet(data: Path, edit: Edit = lambda rows: None, *, size: int = 8, **writing: object) -> Path:
    """An exported sheet, filled in and saved as a spreadsheet would."""
    found = drawn(data, size)
    path = data.parent / "sheet.csv"
    path.unlink(missing_ok=True)
    write_sheet(path, found, found.answers())
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    edit(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), **writing)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    return path


def fill(*words: str, reason: str = "") -> Edit:
    def edit(rows: list[dict[str, str]]) -> None:
        for row, word in zip(rows, words, strict=False):
            row["verdict"], row["reason"] = word, reason if word.lower() == "bad" else ""

    return edit


def test_a_sheet_has_the_columns_and_the_texts_and_is_for_its_owner_only(data: Path) -> None:
    found = drawn(data)
    found.answers().say(found.ids[0], "bad", "=1+1")
    path = data.parent / "sheet.csv"
    write_sheet(path, found, found.answers())
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == found.ids
    assert rows[0]["prompt"].startswith("What is ")
    assert rows[0]["answer"].isdecimal()
    assert (rows[0]["verdict"], rows[0]["reason"]) == ("bad", "'=1+1")
    assert read_sheet(path, found).said == [(found.ids[0], "bad", "=1+1")]


def test_somebodys_work_is_not_overwritten(data: Path) -> None:
    path = sheet(data)
    with pytest.raises(UsageError, match="may hold verdicts"):
        write_sheet(path, drawn(data), drawn(data).answers())


@pytest.mark.parametrize("writing", [{}, {"delimiter": ";"}, {"delimiter": "\t"}, {"lineterminator": "\n"}], ids=str)
def test_sheets_come_back_as_spreadsheets_write_them(data: Path, writing: Mapping[str, object]) -> None:
    path = sheet(data, fill("GOOD", " Bad ", "skip", "", "b", reason=""), **writing)
    found = read_sheet(path, drawn(data))
    assert [word for _, word, _ in found.said] == ["good", "bad", "skip", "bad"]
    assert found.left == 4
    assert [id_ for id_, _, _ in found.said] == [drawn(data).ids[at] for at in (0, 1, 2, 4)]


def test_columns_may_come_in_another_order_with_others_beside_them(data: Path) -> None:
    found = drawn(data)
    path = data.parent / "own.csv"
    path.write_text(f"sep=;\nnote;Verdict;REASON;Id\nx;Bad;too short;{found.ids[0].upper()}\n;;;\n\n")
    assert read_sheet(path, found).said == [(found.ids[0], "bad", "too short")]


def test_a_reason_beside_a_good_one_is_told_and_not_kept(data: Path) -> None:
    def edit(rows: list[dict[str, str]]) -> None:
        rows[0] |= {"verdict": "good", "reason": "lovely"}

    found = read_sheet(sheet(data, edit), drawn(data))
    assert (found.said[0][2], found.unkept) == (None, 1)


def _double(rows: list[dict[str, str]]) -> None:
    rows.append(dict(rows[2]))


def _stranger(rows: list[dict[str, str]]) -> None:
    rows[1]["id"] = "f" * 64


def _unknown(rows: list[dict[str, str]]) -> None:
    rows[3]["verdict"] = "meh"


def _reason_only(rows: list[dict[str, str]]) -> None:
    rows[0]["reason"] = "but why"


def _long(rows: list[dict[str, str]]) -> None:
    rows[0] |= {"verdict": "bad", "reason": "x" * 2001}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_double, "row 10: the example of row 4 again"),
        (_stranger, "row 3: 'ffffffffffffffffffff' is not in the sample|row 3: 'fffffffffffffffffff…' is not"),
        (_unknown, "row 5: the verdict is 'meh'; write good, bad or skip"),
        (_reason_only, "row 2: a reason without a verdict"),
        (_long, "row 2: the reason has 2,001 characters"),
        (fill(), "no row has a verdict"),
    ],
)
def test_what_cannot_be_taken_is_named_with_its_row_and_nothing_is_taken(data: Path, edit: Edit, said: str) -> None:
    def filled(rows: list[dict[str, str]]) -> None:
        if edit.__name__ != "edit":
            fill(*["good"] * 8)(rows)
            if edit is _reason_only:
                rows[0]["verdict"] = ""
        edit(rows)

    with pytest.raises(UsageError, match=said):
        read_sheet(sheet(data, filled), drawn(data))


def test_a_sheet_of_another_sample_says_what_to_look_at(data: Path) -> None:
    path = sheet(data, fill("good", "good"))
    with pytest.raises(UsageError, match="--seed") as error:
        read_sheet(path, drawn(data, seed=9))
    assert str(error.value).count("row ") <= 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column `id`"),
        (b"id\n", "no column `verdict`"),
        (b"id,verdict,verdict\n", "more than one column `verdict`"),
        (b"id,verdict\nx,\xe4\n", "UTF-8"),
        (b'id,verdict\n"x,good\n', "no CSV"),
        ("id,verdict\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_what_is_no_sheet_is_said(data: Path, content: bytes, said: str) -> None:
    path = data.parent / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_sheet(path, drawn(data))


@pytest.mark.parametrize("path", ["missing.csv", "."])
def test_a_sheet_that_cannot_be_read_is_said(data: Path, path: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_sheet(data / path, drawn(data))


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("'=+-@\t\n\r＝ ab"), max_size=6))
def test_no_cell_begins_as_a_formula_and_every_cell_comes_back(cell: str) -> None:
    safe = _safe(cell)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert _unsafe(safe) == cell


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet="=+-@'\";,\n éx", max_size=20), min_size=8, max_size=8))
def test_reasons_come_back_as_they_were_written(data: Path, reasons: list[str]) -> None:
    found = drawn(data)
    answers = Answers(data.parent / "answers.jsonl", found.ids)
    answers.path.unlink(missing_ok=True)
    answers = Answers(answers.path, found.ids)
    said = [(id_, "bad", " ".join(reason.split()) or None) for id_, reason in zip(found.ids, reasons, strict=True)]
    answers.take(said)  # type: ignore[arg-type]
    path = data.parent / "round.csv"
    path.unlink(missing_ok=True)
    write_sheet(path, found, answers)
    assert read_sheet(path, found).said == said


def test_hidden_characters_and_formulas_of_the_data_are_harmless_in_a_sheet(tmp_path: Path) -> None:
    rows = [
        {"prompt": "=HYPERLINK(1)", "completion": '@SUM(A1) \x1b[31m\x00 "x",=1+1\r\n=2'},
        {"text": "+49"},
        {"text": "-1" + "y" * 40_000},
    ]
    for number, row in enumerate(rows):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
    paths = [str(tmp_path / f"{number}.jsonl") for number in range(3)]
    found = sample(find_rows(paths), paths, size=9)
    path = tmp_path / "sheet.csv"
    write_sheet(path, found, found.answers())
    assert b"\x1b" not in path.read_bytes()
    cells = [cell for row in csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert max(map(len, cells)) < 32_767
    assert any("more characters" in cell for cell in cells)
