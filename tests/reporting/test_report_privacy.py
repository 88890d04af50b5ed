"""No report ever holds a raw value of personal data or a secret, whatever rows it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gate.admission.result import AdmissionResult
from gate.reporting.markdown import summary
from gate.reporting.outputs import FORMATS, Output, write
from gate.reporting.terminal import render


def rendered(result: AdmissionResult, folder: Path) -> dict[str, str]:
    texts = {}
    for name in FORMATS:
        path = folder / name
        write(result, Output(name, path))
        texts[name] = path.read_bytes().decode("utf-8", "replace")
    texts["summary of a step"] = summary(result, 1_000_000)
    console = Console(record=True, width=200, file=(folder / "terminal").open("w"))
    render(result, console)
    return texts | {"terminal": console.export_text()}


def test_the_planted_values_are_in_the_data_and_in_no_report(make: Any, small: AdmissionResult, tmp_path: Path) -> None:
    data = str(small.dataset.examples.to_dicts())
    for text in rendered(small, tmp_path).values():
        for value in make.raw:
            assert value in data
            assert value not in text


def test_nor_in_a_report_with_a_base(make: Any, compared: AdmissionResult, tmp_path: Path) -> None:
    """Its findings that are gone hold what a check forgot to mask."""
    assert compared.comparison is not None
    assert make.raw[0] in str(compared.comparison.fixed.to_dicts())
    for text in rendered(compared, tmp_path).values():
        for value in make.raw:
            assert value not in text


def test_a_name_that_only_a_finding_knows_is_hidden_wherever_its_row_is_shown(make: Any, tmp_path: Path) -> None:
    """`mask_text` cannot know a person's name; the span of one rule's finding hides it in all of them."""
    prompt = "Who wrote the letter to the bank?"
    rows = [make.chat(n, prompt, f"Ottoline Fairweather wrote it to the bank in {n}.") for n in (1, 2)]
    name = {"field": "messages[1].content", "start": 0, "end": len("Ottoline Fairweather")}
    found = [
        make.finding("names", rows[0], code="PERSON", message="a name", **name),
        make.finding("names", rows[1], code="PERSON", message="a name", **name),
        make.finding("near_duplicates", rows[1], group="g", partner=rows[0]["id"], score=0.9, remedy="drop"),
        make.finding("structure", rows[1], message="odd"),
        make.finding("length", rows[1], message="short", field="messages[1].content", start=5, end=30),
    ]
    for text in rendered(make.build(rows, found, []), tmp_path).values():
        assert "Ottoline" not in text
        assert "Fairweather" not in text


def test_evidence_that_a_check_forgot_to_mask_is_masked(make: Any, tmp_path: Path) -> None:
    row = make.chat(1, "a", "b")
    found = [make.finding("pii", row, evidence=f"found {value}") for value in make.raw]
    for text in rendered(make.build([row], found, []), tmp_path).values():
        for value in make.raw:
            assert value not in text


@pytest.mark.parametrize("length", [200, 230, 239, 241, 2_390, 2_399, 2_405])
def test_a_cut_never_uncovers_half_of_a_secret(make: Any, tmp_path: Path, length: int) -> None:
    """A key that lies across the place where a text is cut is masked before the cut."""
    email, key = make.raw[0], make.raw[1]
    filler = "x " * (length // 2)
    rows = [make.chat(1, filler + key + " one", filler + email), make.chat(2, filler + key + " two", filler + email)]
    found = [
        make.finding("near_duplicates", rows[1], group="g", partner=rows[0]["id"], score=0.9),
        make.finding("odd", rows[0], message="odd", evidence=filler + key),
        make.finding("odd", rows[1], field="messages[0].content", message="odd"),
        make.finding("odd", rows[1], field="messages[0].content", start=0, end=2, message="odd"),
    ]
    for text in rendered(make.build(rows, found, []), tmp_path).values():
        for raw in (email, key):
            assert raw[:8] not in text
            assert raw[-8:] not in text


def test_roles_and_tool_calls_of_the_dataset_are_text_too(make: Any, tmp_path: Path) -> None:
    """A name without its domain looks like nothing: only not showing it keeps it private."""
    row = make.chat(1, "a", "b")
    row["messages"][0]["role"] = "marietta.oduya"
    row["messages"][1]["tool_calls"] = '[{"function": {"name": "marietta.oduya", "arguments": "{}"}}]'
    found = [make.finding("structure", row), make.finding("structure", row, field="messages[1].tool_calls")]
    found.append(make.finding("structure", row, field="messages[1].tool_calls", start=0, end=2))
    for text in rendered(make.build([row], found, []), tmp_path).values():
        assert "oduya" not in text
