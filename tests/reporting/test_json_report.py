"""`--output json`: the document is valid against the published schema, closes its counts, and says it all."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.data.frame import SkippedFile
from gate.reporting.json_report import result_schema, to_json

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / "result.json"


def test_the_document_is_valid_against_its_schema(small: AdmissionResult) -> None:
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.validate(json.loads(to_json(small)), result_schema())


@pytest.mark.parametrize("spoil", [{"verdict": "maybe"}, {"schema": "gate.result/2"}, {"findings": None}])
def test_the_schema_refuses_what_is_no_result(small: AdmissionResult, spoil: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(to_json(small)), **spoil}, result_schema())


def test_the_published_schema_is_this_one() -> None:
    text = json.dumps(result_schema(), indent=2) + "\n"
    if os.environ.get("GATE_UPDATE_GOLDEN"):
        PUBLISHED.parent.mkdir(exist_ok=True)
        PUBLISHED.write_text(text)
    assert PUBLISHED.read_text() == text, "GATE_UPDATE_GOLDEN=1 writes it anew"


def test_every_key_of_a_finding_file_and_rule_has_a_place_in_the_schema(small: AdmissionResult) -> None:
    document, definitions = json.loads(to_json(small)), result_schema()["$defs"]
    assert isinstance(definitions, dict)
    for key, name in (("rules", "RuleEntry"), ("findings", "FindingEntry"), ("files", "FileEntry"),
                      ("malformed", "MalformedEntry"), ("skipped", "SkippedEntry")):  # fmt: skip
        assert set(document[key][0]) == set(definitions[name]["properties"])
    assert set(document) == set(result_schema()["properties"])  # type: ignore[call-overload]


def test_the_counts_close(small: AdmissionResult) -> None:
    document = json.loads(to_json(small))
    for file in document["files"]:
        assert file["rows"] == file["examples"] + file["malformed"]
    assert sum(file["malformed"] for file in document["files"]) == len(document["malformed"])
    assert len(document["findings"]) == small.findings.height


def test_verdict_and_exit_code_say_the_same(small: AdmissionResult) -> None:
    for verdict, code in (("pass", 0), ("fail", 1), ("inconclusive", 3), ("error", 4)):
        document = json.loads(to_json(replace(small, verdict=verdict)))  # type: ignore[arg-type]
        assert (document["verdict"], document["exit_code"]) == (verdict, code)


def test_nan_becomes_null(make: Any) -> None:
    row = make.chat(1, "a", "b")
    result = make.build(
        [row],
        [make.finding("r", row, score=math.nan)],
        [RuleOutcome(make.rule("r"), ("chat",), "failed", 1, 1, 0, figures={"share": math.nan})],
    )
    document = json.loads(to_json(result), parse_constant=pytest.fail)
    assert document["findings"][0]["score"] is None
    assert document["rules"][0]["figures"] == {"share": None}


def test_an_empty_dataset_is_a_document_too(make: Any) -> None:
    result = make.build([], [], [], verdict="inconclusive", reason="no rule had anything to judge")
    jsonschema.validate(json.loads(to_json(result)), result_schema())


def test_a_file_name_that_is_no_utf8_does_not_break_the_document(small: AdmissionResult) -> None:
    dataset = replace(small.dataset, skipped=(SkippedFile("caf\udce9.txt", "not data"),))
    document = json.loads(to_json(replace(small, dataset=dataset)))
    assert document["skipped"][0]["path"] == "caf\\udce9.txt"


def test_nothing_in_the_bytes_can_move_a_terminals_cursor_or_reorder_its_text(make: Any) -> None:
    row = make.chat(1, "a", "b")
    nasty = "\x1b[2J \x9b31m \u202e \u2066 \u200b"
    text = to_json(make.build([row], [make.finding("r", row, message=nasty)], [])).decode()
    assert not set(nasty) - set("[2J 31m") & set(text)
    assert json.loads(text)["findings"][0]["message"] == nasty


def test_findings_parquet_carries_what_judged_the_data(small: AdmissionResult, tmp_path: Path) -> None:
    from gate.reporting.findings_file import to_parquet

    path = tmp_path / "findings.parquet"
    path.write_bytes(to_parquet(small))
    metadata = pl.read_parquet_metadata(path)
    assert metadata["gate.version"] == small.version
    assert metadata["gate.policy.chat"] == small.policies["chat"].digest
    assert json.loads(metadata["gate.files"])["train.jsonl"] == small.dataset.files[0].sha256
    read = pl.read_parquet(path)
    assert read.schema == small.findings.schema
    assert read.height == small.findings.height
