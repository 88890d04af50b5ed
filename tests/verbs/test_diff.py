"""`gate diff`: rows are matched by what they say, wherever they lie and however they are written."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.admission.difference import DiffResult
from gate.data.differences import CHANGES
from gate.errors import InputError, UsageError
from gate.reporting.diff_outputs import to_html, to_json, to_markdown
from gate.reporting.diff_rows import shown_rows
from gate.verbs.diff import diff

WriteJsonl = Callable[[Path, Iterable[Mapping[str, object]]], Path]
MAIL = "m.okafor@harbour-lights.co.uk"
ROWS = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}, I think."} for n in range(30)]


def counted(result: DiffResult) -> dict[str, int]:
    """The changes that there are."""
    return {change: count for change in CHANGES if (count := result.differences.count(change))}


@pytest.fixture
def compare(tmp_path: Path, write_jsonl: WriteJsonl) -> Callable[..., DiffResult]:
    def run(a: Iterable[Mapping[str, object]], b: Iterable[Mapping[str, object]], show: int = 20) -> DiffResult:
        return diff(
            write_jsonl(tmp_path / "a" / "rows.jsonl", a), write_jsonl(tmp_path / "b" / "rows.jsonl", b), show=show
        )

    return run


def test_the_order_and_the_format_of_rows_make_no_difference(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    a = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    pl.DataFrame(ROWS[::-1]).write_parquet(tmp_path / "other.parquet")
    result = diff(a, tmp_path / "other.parquet")
    assert (result.differ, result.exit_code, result.differences.same, result.differences.refiled) == (False, 0, 30, 30)


def test_copies_are_counted_one_by_one(compare: Callable[..., DiffResult]) -> None:
    result = compare([ROWS[0], *ROWS], [ROWS[0], *ROWS, ROWS[0], ROWS[0]])
    assert counted(result) == {"added": 2}
    assert result.exit_code == 1


def test_another_answer_to_the_same_question_is_a_change(compare: Callable[..., DiffResult]) -> None:
    other = {**ROWS[4], "completion": "Nobody knows."}
    result = compare(ROWS, [*ROWS[5:], *ROWS[:4], other])
    assert counted(result) == {"changed": 1}
    (change,) = result.differences.rows.to_dicts()
    assert (change["a_row"], change["b_row"]) == (5, 30)


def test_another_question_with_the_same_answer_is_a_change(compare: Callable[..., DiffResult]) -> None:
    result = compare(ROWS, [*ROWS[:4], {**ROWS[4], "prompt": "And now something else?"}, *ROWS[5:]])
    assert counted(result) == {"changed": 1}


def test_a_row_with_a_name_is_followed_whatever_is_said_in_it(compare: Callable[..., DiffResult]) -> None:
    named = [{**row, "id": f"row-{n}"} for n, row in enumerate(ROWS)]
    other = {"prompt": "Nothing of it stayed.", "completion": "Really nothing.", "id": "row-7"}
    result = compare(named, [other, *named[:7], *named[8:]])
    assert counted(result) == {"changed": 1}


def test_short_answers_do_not_make_strangers_related(compare: Callable[..., DiffResult]) -> None:
    a = [{"prompt": f"Is {n} odd, yes or no?", "completion": "Yes"} for n in range(1, 9, 2)]
    b = [{"prompt": f"May one fly to {n}?", "completion": "Yes"} for n in range(20, 24)]
    assert counted(compare(a, b)) == {"added": 4, "removed": 4}


def test_texts_are_followed_by_their_beginning_or_end(compare: Callable[..., DiffResult]) -> None:
    a = [{"text": f"Document number {n} begins like this and nobody else does so. " * 3} for n in range(5)]
    b = [dict(row) for row in a]
    b[2]["text"] += "And it goes on."
    b[3]["text"] = "It begins elsewhere. " + b[3]["text"]
    assert counted(compare(a, b)) == {"changed": 2}


def test_another_split_and_other_columns_are_told_apart_from_other_text(compare: Callable[..., DiffResult]) -> None:
    a = [{**row, "split": "train", "source": "x"} for row in ROWS]
    b = [dict(row) for row in a]
    b[0]["split"] = "test"
    b[1]["source"] = "y"
    result = compare(a, b)
    assert counted(result) == {"moved": 1, "meta": 1}
    assert {f.name: (f.a, f.b) for f in result.figures if f.changed} == {
        "splits.train": (30, 29),
        "splits.test": (None, 1),
    }


def test_malformed_rows_are_compared_by_their_bytes(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    a, b = write_jsonl(tmp_path / "a.jsonl", ROWS), write_jsonl(tmp_path / "b.jsonl", ROWS)
    a.write_text(a.read_text() + "{one\n{two\n")
    b.write_text("{two\n{three\n{three\n" + b.read_text())
    result = diff(a, b)
    assert (result.malformed_added, result.malformed_removed, result.exit_code) == (2, 1, 1)


_RECORD = st.fixed_dictionaries(
    {"prompt": st.sampled_from("abc"), "completion": st.sampled_from("xyz")},
    optional={"id": st.integers(0, 3), "split": st.sampled_from(["train", "test"])},
)


@given(st.lists(_RECORD, min_size=1, max_size=12), st.lists(_RECORD, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_every_row_of_either_side_is_counted_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, a: list[dict[str, object]], b: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    for name, rows in (("a", a), ("b", b)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = diff(folder / "a.jsonl", folder / "b.jsonl", show=0).differences
    both = found.count("changed") + found.count("moved") + found.count("meta") + found.same
    assert both + found.count("removed") == len(a)
    assert both + found.count("added") == len(b)
    assert found.rows.select("a_row").drop_nulls().is_unique().all()
    assert found.rows.select("b_row").drop_nulls().is_unique().all()
    equal = Counter(json.dumps(row, sort_keys=True) for row in a) & Counter(
        json.dumps(row, sort_keys=True) for row in b
    )
    assert found.same == equal.total()


def test_what_is_shown_is_masked_and_inert(compare: Callable[..., DiffResult]) -> None:
    hostile = "<script>alert(1)</script> \x1b[31m ```\n| `x` |"
    a = [*ROWS, {"prompt": "Who?", "completion": f"{MAIL} and others"}]
    result = compare(a, [*ROWS, {"prompt": "Who?", "completion": f"{MAIL} and {hostile}"}])
    html, markdown, document = to_html(result), to_markdown(result), to_json(result)
    for text in (html, markdown, document, repr(shown_rows(result))):
        assert "okafor" not in text
        assert "\x1b" not in text
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert markdown.count("```") == 2
    assert "default-src &#39;none&#39;" in html
    assert json.loads(document)["rows"]["changed"] == 1
    assert "What is" not in document


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {value}" for name, value in attrs if name in ("src", "href") and value != "data:,"]


def test_the_page_loads_nothing(compare: Callable[..., DiffResult]) -> None:
    parser = _Loads()
    parser.feed(to_html(compare(ROWS, ROWS[1:])))
    assert parser.loads == []


def test_only_some_rows_are_shown(compare: Callable[..., DiffResult]) -> None:
    result = compare(ROWS[:15], ROWS[15:], show=3)
    assert counted(result) == {"added": 15, "removed": 15}
    assert len(shown_rows(result)) == 6


def test_what_is_no_dataset_cannot_be_compared(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    data = write_jsonl(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(InputError):
        diff(data, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing here is a dataset"):
        diff(tmp_path / "empty", data)
    with pytest.raises(UsageError):
        diff(data, "-")


def test_data_is_compared_with_what_git_had(
    tmp_path: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_jsonl(tmp_path / "data" / "rows.jsonl", ROWS)
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    write_jsonl(data, ROWS[1:])
    monkeypatch.chdir(tmp_path)
    assert counted(diff("HEAD:data", "data")) == {"removed": 1}
    with pytest.raises(InputError, match="revision"):
        diff("nowhere:data", "data")


def test_malformed_rows_alone_can_be_compared(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{one\n")
    (tmp_path / "b.jsonl").write_text("{one\n")
    assert diff(tmp_path / "a.jsonl", tmp_path / "b.jsonl").exit_code == 0


@pytest.mark.slow
def test_two_hundred_thousand_rows_are_compared_in_seconds(tmp_path: Path) -> None:
    rng = random.Random(1)
    words = [f"word{n}" for n in range(5000)]
    texts = [(" ".join(rng.choices(words, k=40)), " ".join(rng.choices(words, k=40))) for _ in range(200_000)]
    rows = [json.dumps({"prompt": f"{n} {one}", "completion": two}) for n, (one, two) in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "b.jsonl").write_text("\n".join(rows[2000:] + rows[:1000]) + "\n")
    begun = time.perf_counter()
    result = diff(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert counted(result) == {"removed": 1000}
    assert time.perf_counter() - begun < 90
