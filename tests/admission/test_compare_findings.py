"""What counts against a pull request: findings that involve a row which the base does not have, and demands of the
whole dataset that are missed by more than before."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.admission.compare import Side, classify, counts, fixed, old_rows
from gate.admission.result import FINDINGS
from gate.data.corpus import ROWS
from gate.data.frame import MALFORMED

Finding = dict[str, Any]  # some columns of FINDINGS, as a test writes them


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def side(
    rows: list[tuple[str, str | None]],
    findings: list[Finding] = [],  # noqa: B006 - never changed
    bad: list[tuple[str, int | None, str]] = [],  # noqa: B006
    base: Side | None = None,
) -> Side:
    """Rows (content, split) of one file `a`, numbered from 1; findings by the number of their row or none; bad rows
    (file, row, bytes)."""
    frame = pl.DataFrame(
        {
            "key": [int(digest(content)[:16], 16) for content, _ in rows],
            "file": ["a"] * len(rows),
            "row": range(1, len(rows) + 1),
            "split": [split for _, split in rows],
        },
        schema_overrides={"key": pl.UInt64, "row": pl.UInt32, "split": ROWS["split"]},
    )
    old = pl.Series([False] * len(rows), dtype=pl.Boolean) if base is None else old_rows(frame, base.rows)
    malformed = pl.DataFrame(
        [{"file": file, "row": row, "digest": digest(text), "reason": "truncated"} for file, row, text in bad],
        schema=MALFORMED,
    )
    listed = [
        {"rule": "r", "code": "c", "severity": "error", "state": "new", "message": "m"}
        | ({"file": "a", "id": digest(rows[each["row"] - 1][0])} if "row" in each and "file" not in each else {})
        | ({"partner": digest(each["partner"])} if "partner" in each else {})
        | {key: value for key, value in each.items() if key != "partner"}
        for each in findings
    ]
    return Side(frame.with_columns(old=old), malformed, pl.DataFrame(listed, schema=FINDINGS))


def states(head: Side, base: Side) -> list[str]:
    return classify(head, base)["state"].to_list()


def test_a_finding_at_a_new_row_is_new_and_at_an_old_one_not() -> None:
    base = side([("x", None)], [{"row": 1}])
    head = side([("x", None), ("y", None)], [{"row": 1}, {"row": 2}], base=base)
    assert states(head, base) == ["unchanged", "new"]


def test_an_exact_second_copy_of_an_old_row_is_new() -> None:
    base = side([("x", None)])
    head = side([("x", None), ("x", None)], [{"row": 2, "partner": "x"}], base=base)
    assert states(head, base) == ["new"]


def test_two_old_copies_are_unchanged_beside_a_new_third() -> None:
    base = side([("x", None), ("x", None)], [{"row": 2, "partner": "x"}])
    head = side([("x", None)] * 3, [{"row": 2, "partner": "x"}, {"row": 3, "partner": "x"}], base=base)
    assert states(head, base) == ["unchanged", "new"]


def test_an_old_row_beside_a_new_one_is_new() -> None:
    base = side([("old", None)])
    head = side([("old", None), ("new", None)], [{"row": 1, "partner": "new"}], base=base)
    assert states(head, base) == ["new"]


def test_two_old_rows_are_unchanged_though_they_were_compared_with_others() -> None:
    base = side([("x", None), ("y", None), ("z", None)], [{"row": 3, "partner": "x"}])
    head = side([("y", None), ("z", None)], [{"row": 2, "partner": "y"}], base=base)
    assert states(head, base) == ["unchanged"]


def test_a_training_row_copied_into_the_test_split_is_new_whichever_row_is_named() -> None:
    base = side([("x", "train")])
    both = [("x", "train"), ("x", "test")]
    for row in (1, 2):
        assert states(side(both, [{"row": row, "partner": "x"}], base=base), base) == ["new"]


def test_a_finding_at_an_old_row_that_came_from_nowhere_counts() -> None:
    base = side([("x", None)])
    assert states(side([("x", None)], [{"row": 1}], base=base), base) == ["new"]


def test_a_finding_that_became_more_severe_counts() -> None:
    base = side([("x", None)], [{"row": 1, "severity": "info"}])
    assert states(side([("x", None)], [{"row": 1}], base=base), base) == ["new"]


def test_malformed_rows_by_their_bytes() -> None:
    base = side([], [{"file": "a", "row": 1}], [("a", 1, "half")])
    bad = [("a", 5, "half"), ("a", 6, "other")]
    head = side([], [{"file": "a", "row": 5}, {"file": "a", "row": 6}], bad, base=base)
    assert states(head, base) == ["unchanged", "new"]


def test_a_file_that_cannot_be_read_and_has_changed_is_new() -> None:
    base = side([], [{"file": "a"}], [("a", None, "bytes")])
    assert states(side([], [{"file": "a"}], [("a", None, "bytes")], base), base) == ["unchanged"]
    assert states(side([], [{"file": "a"}], [("a", None, "others")], base), base) == ["new"]


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        ([], {"score": 0.1}, "new"),
        ([{"score": 0.2}], {"score": 0.1}, "unchanged"),
        ([{"score": 0.2}], {"score": 0.2}, "unchanged"),
        ([{"score": 0.2}], {"score": 0.3}, "new"),
        ([{"score": 0.2}], {"score": float("nan")}, "new"),
        ([{"score": float("nan")}], {"score": 0.2}, "new"),
        ([{"score": 0.2}], {}, "new"),
        ([{}], {"score": 0.2}, "new"),
        ([{}], {}, "unchanged"),
        ([{}], {"message": "another"}, "new"),
        ([{"score": 0.2, "severity": "info"}], {"score": 0.2}, "new"),
        ([{"score": 0.2, "group": "german"}], {"score": 0.2, "group": "french"}, "new"),
        ([{"score": 0.2, "code": "d"}], {"score": 0.1}, "new"),
        ([{"score": 0.2, "file": "a"}], {"score": 0.1, "file": "b"}, "new"),
    ],
)
def test_the_dataset_counts_when_it_newly_fails_or_worsens(before: list[Finding], after: Finding, state: str) -> None:
    base = side([("x", None)], before)
    assert states(side([("x", None)], [after], base=base), base) == [state]


def test_several_findings_of_one_kind_are_compared_worst_with_worst() -> None:
    base = side([], [{"score": 0.2}, {"score": 0.5}])
    head = side([], [{"score": 0.5}, {"score": 0.3}, {"score": 0.1}], base=base)
    assert states(head, base) == ["unchanged", "new", "new"]


def test_the_order_and_the_columns_of_findings_stay() -> None:
    base = side([("x", None)])
    head = side([("x", None), ("y", None)], [{"score": 1.0}, {"row": 2, "code": "z"}, {"row": 1}], base=base)
    result = classify(head, base)
    assert result.schema == FINDINGS
    assert result["code"].to_list() == ["c", "z", "c"]


def test_fixed_findings_are_those_without_a_counterpart() -> None:
    base = side([("x", None), ("y", None)], [{"row": 1, "partner": "y"}, {"row": 2}, {"score": 0.3}])
    head = side([("x", None)], [{"row": 1, "partner": "z"}], base=base)
    gone = fixed(base, head)
    assert gone.schema == FINDINGS
    assert gone["row"].to_list() == [2, None]
    assert gone["state"].to_list() == [None, None]


def test_a_malformed_row_that_only_moved_is_not_fixed() -> None:
    base = side([], [{"file": "a", "row": 1}, {"file": "a", "row": 2}], [("a", 1, "half"), ("a", 2, "other")])
    head = side([], [{"file": "b", "row": 9}], [("b", 9, "half")], base)
    assert fixed(base, head)["row"].to_list() == [2]


FOUND = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["c", "d"]), st.booleans()), max_size=12)


@given(FOUND, FOUND)
def test_findings_close(before: list[tuple[int, str, bool]], after: list[tuple[int, str, bool]]) -> None:
    """What is not fixed has its counterpart in the head: both sides keep the same number of each."""

    def of(found: list[tuple[int, str, bool]], base: Side | None = None) -> Side:
        rows: list[tuple[str, str | None]] = [(f"x{number}", None) for number in range(4)]
        return side(rows, [{"code": code} | ({} if whole else {"row": n + 1}) for n, code, whole in found], base=base)

    base = of(before)
    head = of(after, base)
    both, gone = base.findings.height - fixed(base, head).height, fixed(head, base).height
    assert head.findings.height - gone == both


def test_counts_of_rows_close() -> None:
    base = side([("x", None), ("y", None)], bad=[("a", 9, "half")])
    head = side([("x", None), ("z", None), ("z", None)], bad=[("a", 9, "half"), ("a", 10, "more")], base=base)
    found = counts(head, base)
    assert (found.rows, found.new, found.unchanged, found.removed) == (3, 3, 2, 1)
