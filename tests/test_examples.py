"""The example data: the check finds exactly what was planted, and nothing in the mended twin."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import gate

EXAMPLES = Path(__file__).parents[1] / "examples"
PLANTS = json.loads((EXAMPLES / "plants.json").read_text(encoding="utf-8"))
RULES = (
    *(
        "structure",
        "exact_duplicates",
        "near_duplicates",
        "leakage",
        "conflicting_answers",
        "pii",
        "secrets",
        "encoding",
    ),
    *("answer_format", "consistency", "language", "quality", "toxicity", "bias", "size", "card"),
)
COPIES = ("exact_duplicate", "near_duplicate", "exact_leak", "near_leak")

Place = tuple[str, str, str | None, int | None]
"""Rule, code, file (none for the dataset), row (none for a file)."""


@pytest.fixture(scope="module")
def planted() -> gate.AdmissionResult:
    return gate.check(EXAMPLES / "support-desk")


@pytest.fixture(scope="module")
def mended() -> gate.AdmissionResult:
    return gate.check(EXAMPLES / "support-desk-clean")


def places(plants: list[dict[str, object]]) -> set[Place]:
    return {(plant["rule"], plant["code"], plant["file"], plant["row"]) for plant in plants}  # type: ignore[misc]


PLACE = ("rule", "code", "file", "row")


def found(result: gate.AdmissionResult) -> set[Place]:
    return set(result.findings.select(*PLACE).iter_rows())


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_exactly_what_was_planted_for_it(rule: str, planted: gate.AdmissionResult) -> None:
    expected = places([plant for plant in PLANTS if plant["rule"] == rule])
    assert expected
    seen = {place for place in found(planted) if place[0] == rule}
    assert {"missed": expected - seen, "unplanned": seen - expected} == {"missed": set(), "unplanned": set()}


def test_no_other_rule_finds_anything(planted: gate.AdmissionResult) -> None:
    assert found(planted) == places(PLANTS)


def test_documentation_values_and_hints_only_count(planted: gate.AdmissionResult) -> None:
    info = places([plant for plant in PLANTS if plant.get("severity") == "info"])
    assert {place[0] for place in info} >= {"pii", "secrets", "quality", "toxicity"}
    assert set(planted.findings.filter(pl.col("severity") == "info").select(*PLACE).iter_rows()) == info


def test_every_rule_that_can_find_something_here_has_something_to_find(planted: gate.AdmissionResult) -> None:
    # No base and no evaluation set; the shares that the others judge are as they should be in both datasets.
    # No review is demanded either.
    quiet = {"spot_check", "contamination", "drift", "synthetic", "splits", "balance", "diversity", "expectations"}
    assert {outcome.rule.id for outcome in planted.outcomes} - quiet == set(RULES)


def test_what_leaks_is_taken_from_train_and_never_from_test(planted: gate.AdmissionResult) -> None:
    leaks = planted.findings.filter(pl.col("rule") == "leakage")
    assert set(leaks["code"]) == {"exact_leak", "near_leak", "prompt_leak"}
    assert set(leaks["file"]) == {"tickets/train.jsonl", "tickets/validation.jsonl"}


def test_each_copy_names_the_row_that_is_kept(planted: gate.AdmissionResult) -> None:
    examples = planted.dataset.examples.select("file", "row", "id")
    ids = {(file, row): content for file, row, content in examples.iter_rows()}
    dropped = planted.findings.filter(pl.col("code").is_in(COPIES))
    partners = {(file, row): partner for file, row, partner in dropped.select("file", "row", "partner").iter_rows()}
    copies = [plant for plant in PLANTS if plant["code"] in COPIES]
    assert len(copies) > 15
    for plant in copies:
        kept = ids[plant["partner_file"], plant["partner_row"]]
        assert partners[plant["file"], plant["row"]] == kept, plant


def test_the_planted_data_fails(planted: gate.AdmissionResult) -> None:
    assert (planted.verdict, planted.exit_code) == ("fail", 1)
    assert not [outcome.rule.id for outcome in planted.outcomes if outcome.status == "errored"]


def test_every_row_read_is_an_example_or_malformed(planted: gate.AdmissionResult) -> None:
    dataset = planted.dataset
    rows = dataset.malformed["row"].drop_nulls().len()
    assert 550 <= dataset.examples.height + rows <= 750
    assert set(dataset.examples["shape"].unique()) == {"messages", "question_answer", "preference", "feedback"}


def test_the_mended_data_passes(mended: gate.AdmissionResult) -> None:
    assert (mended.verdict, mended.exit_code) == ("pass", 0), mended.reason
    assert mended.findings.filter(pl.col("severity") != "info").height == 0
    assert {outcome.status for outcome in mended.outcomes} == {"passed", "skipped"}


def test_the_mended_data_passes_the_strict_policy_too() -> None:
    result = gate.check(EXAMPLES / "support-desk-clean", policy="strict")
    assert (result.verdict, result.exit_code) == ("pass", 0), result.reason


def test_the_command_agrees() -> None:
    for name, code in (("support-desk", 1), ("support-desk-clean", 0)):
        command = [sys.executable, "-m", "gate", "check", str(EXAMPLES / name), "--quiet"]
        assert subprocess.run(command, check=False, timeout=120).returncode == code


def test_the_script_gives_the_rows_that_are_in_the_repository(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(EXAMPLES / "build.py"), str(tmp_path)], check=True, timeout=120)
    built = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(built) > 15
    for relative in built:
        old, new = EXAMPLES / relative, tmp_path / relative
        if relative.suffix == ".parquet" and "archive" in relative.parts:
            continue  # cut in the middle: its bytes depend on the version of Polars
        if relative.suffix == ".parquet":
            assert pl.read_parquet(old).equals(pl.read_parquet(new))
        else:
            assert old.read_bytes() == new.read_bytes(), relative


def test_the_manifest_tells_a_person_what_is_wrong_where() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(plant["what"] in readme for plant in PLANTS)
    assert len(places(PLANTS)) == len(PLANTS)
