"""The id of a finding follows from the problem, never from the run, and a worse or a further problem has another."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from gate.admission.finding_ids import finding_ids
from gate.admission.result import FINDINGS

A, B = "a" * 64, "b" * 64
ABOUT_A_ROW = {
    "rule": "pii",
    "code": "EMAIL_ADDRESS",
    "severity": "error",
    "id": A,
    "file": "train.jsonl",
    "row": 7,
    "field": "messages[0].content",
    "start": 3,
    "end": 20,
    "message": "an e-mail address",
    "evidence": "m***@…",
    "remedy": "redact",
    "state": "new",
}
ABOUT_ALL = {
    "rule": "drift",
    "code": "length",
    "severity": "error",
    "message": "answers are longer",
    "group": "response",
    "score": 0.25,
    "remedy": "review",
    "state": "new",
}


def ids(*findings: dict[str, Any]) -> list[str]:
    return finding_ids(pl.DataFrame(findings, schema=FINDINGS)).to_list()


def id_of(finding: dict[str, Any], **changed: Any) -> str:
    (one,) = ids(finding | changed)
    return one


def test_an_id_is_64_hex_digits() -> None:
    assert len(id_of(ABOUT_A_ROW)) == 64
    int(id_of(ABOUT_A_ROW), 16)


def test_ids_stay_the_same_from_version_to_version() -> None:
    # Waivers that were signed once name these: a change here breaks every one of them.
    assert id_of(ABOUT_A_ROW) == "b7e3499837553093463baee50a62deef4fb7bc02a2a891dafe5e662fc3577bab"
    assert id_of(ABOUT_ALL) == "99bd76afeda6cb4c4e9be0d067fe654b62a6d090b516ed83afc71ee171f07e85"


def test_no_findings_have_no_ids() -> None:
    assert finding_ids(pl.DataFrame(schema=FINDINGS)).to_list() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"file": "other.jsonl"},
        {"row": 8},
        {"message": "said in other words"},
        {"evidence": None},
        {"severity": "warning"},
        {"state": "waived"},
        {"group": "cluster 7"},
        {"score": 0.9},
        {"remedy": "drop"},
    ],
)
def test_a_problem_of_an_example_is_the_same_in_another_place_and_run(changed: dict[str, Any]) -> None:
    assert id_of(ABOUT_A_ROW, **changed) == id_of(ABOUT_A_ROW)


@pytest.mark.parametrize(
    "changed",
    [
        {"rule": "secrets"},
        {"code": "PHONE_NUMBER"},
        {"id": B},
        {"id": None},
        {"field": "messages[1].content"},
        {"field": None},
        {"start": 4},
        {"end": 21},
        {"partner": B},
    ],
)
def test_another_problem_of_an_example_has_another_id(changed: dict[str, Any]) -> None:
    assert id_of(ABOUT_A_ROW, **changed) != id_of(ABOUT_A_ROW)


@pytest.mark.parametrize(
    "changed",
    [
        {"rule": "balance"},
        {"code": "language"},
        {"file": "train.jsonl"},
        {"row": 7},
        {"group": "prompt"},
        {"message": "answers are much longer"},
        {"score": 0.26},
        {"score": None},
        {"score": 0.0},
    ],
)
def test_what_is_about_the_dataset_has_another_id_once_it_is_worse(changed: dict[str, Any]) -> None:
    assert id_of(ABOUT_ALL, **changed) != id_of(ABOUT_ALL)


def test_a_score_that_was_added_up_in_another_order_is_the_same() -> None:
    assert 0.1 + 0.2 != 0.3
    assert id_of(ABOUT_ALL, score=0.1 + 0.2) == id_of(ABOUT_ALL, score=0.3)
    assert id_of(ABOUT_ALL, score=-0.0) == id_of(ABOUT_ALL, score=0.0)


def test_what_a_report_does_to_findings_leaves_their_ids() -> None:
    changed = {"evidence": "masked once more"}
    assert id_of(ABOUT_ALL, **changed) == id_of(ABOUT_ALL)
    assert id_of(ABOUT_ALL, score=float("nan")) == id_of(ABOUT_ALL, score=None)


def test_no_text_moves_from_one_part_into_the_next() -> None:
    assert id_of(ABOUT_ALL, rule="ab", code="c") != id_of(ABOUT_ALL, rule="a", code="bc")
    assert id_of(ABOUT_ALL, code=None) != id_of(ABOUT_ALL, code="-")
    assert id_of(ABOUT_A_ROW, id="x") != id_of(ABOUT_ALL | {"rule": "pii", "code": "EMAIL_ADDRESS"}, message="x")


def test_a_copy_that_came_later_has_an_id_of_its_own_and_the_first_keeps_its() -> None:
    first, second = ids(ABOUT_A_ROW, ABOUT_A_ROW | {"row": 9})
    assert first == id_of(ABOUT_A_ROW)
    assert second != first


def test_ids_do_not_depend_on_the_order_of_findings() -> None:
    findings = [ABOUT_A_ROW | {"row": row} for row in (3, 1, 2)] + [ABOUT_ALL, ABOUT_A_ROW | {"id": B}]
    forwards, backwards = ids(*findings), ids(*reversed(findings))
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 5
