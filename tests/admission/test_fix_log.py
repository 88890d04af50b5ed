"""Row numbers are followed through rounds of dropping, forwards and backwards."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.admission.fix_log import FixLog, Numbers, as_jsonl

_FINDING = {"rule": "pii", "code": "EMAIL_ADDRESS", "field": "text", "start": 1, "end": 5, "partner": None}


@settings(deadline=None)
@given(st.integers(1, 30), st.lists(st.sets(st.integers(1, 30)), max_size=4))
def test_numbers_are_those_of_rows_really_dropped(height: int, rounds: list[set[int]]) -> None:
    numbers, rows = Numbers(), list(range(1, height + 1))
    for drop in rounds:
        present = {row for row in drop if row <= len(rows)}
        numbers.drop("a", present)
        rows = [row for position, row in enumerate(rows, 1) if position not in present]
    here = np.arange(1, len(rows) + 1)
    assert numbers.before("a", here).tolist() == rows
    after = numbers.after("a", np.arange(1, height + 1)).tolist()
    assert after == [rows.index(row) + 1 if row in rows else 0 for row in range(1, height + 1)]


def test_a_row_that_is_redacted_and_later_dropped_is_gone_in_both_lines() -> None:
    log = FixLog()
    log.add(pl.DataFrame([{**_FINDING, "file": "a", "row": 3, "action": "redacted", "evidence": "m***"}]), 1)
    log.numbers.drop("a", [1])
    log.add(pl.DataFrame([{**_FINDING, "file": "a", "row": 2, "action": "dropped", "evidence": "text of the row"}]), 2)
    log.numbers.drop("a", [2])
    entries = [json.loads(line) for line in as_jsonl(log.frame()).splitlines()]
    assert [(entry["row"], entry["row_after"], entry["action"]) for entry in entries] == [
        (3, None, "redacted"),
        (3, None, "dropped"),
    ]
    assert "evidence" not in entries[1]
