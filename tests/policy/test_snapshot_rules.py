"""`rules/snapshot.yaml`: gate's own, a repository's on top of it, and what neither may say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gate.data.frame import SPLITS
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.policy.snapshot_rules import SnapshotRules, load_snapshot_rules
from gate.verbs.schemas import snapshot_schema


def own(folder: Path, text: str) -> Folders:
    """A repository whose rules say this."""
    path = folder / "rules" / "snapshot.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Folders(folder)


def load(folder: Path, split: str) -> SnapshotRules:
    return load_snapshot_rules(own(folder, f"version: 1\nsplit:\n{split}\n"))


def refused(folder: Path, split: str) -> PolicyError:
    with pytest.raises(PolicyError) as error:
        load(folder, split)
    return error.value


SHIPPED = load_snapshot_rules(Folders())


@pytest.mark.parametrize(
    ("examples", "held_out"),
    [(100, 15), (4000, 600), (5000, 750), (7500, 875), (10000, 1000), (10001, 1000.1), (1_000_000, 100_000)],
)
def test_small_datasets_hold_out_15_percent_each_and_large_ones_10(examples: int, held_out: float) -> None:
    wanted = SHIPPED.split.wanted(examples)
    assert wanted["test"] == wanted["validation"] == pytest.approx(held_out)
    assert sum(wanted.values()) == pytest.approx(examples)


def test_no_split_shrinks_while_the_dataset_grows() -> None:
    sizes = [SHIPPED.split.wanted(examples) for examples in range(1, 20_000, 7)]
    for split in SPLITS:
        counts = [size[split] for size in sizes]
        assert counts == sorted(counts)


def test_a_repository_says_only_what_differs(tmp_path: Path) -> None:
    rules = load(tmp_path, "  seed: 7\n  minimum: {test: 20}")
    assert rules.split.seed == 7
    assert rules.split.minimum == {"train": 100, "validation": 100, "test": 20}
    assert rules.split.ratios == SHIPPED.split.ratios
    assert rules.files == ("rules/snapshot.yaml", "gate:rules/snapshot.yaml")
    assert rules.split.place("split.minimum.test") == "rules/snapshot.yaml:4"
    assert str(rules.split.place("split.minimum.train")).startswith("gate:rules/snapshot.yaml:")


def test_ratios_are_replaced_as_a_whole(tmp_path: Path) -> None:
    rules = load(tmp_path, "  ratios: [{examples: 1, train: 0.9, validation: 0.05, test: 0.05}]")
    assert rules.split.wanted(2_000) == pytest.approx({"train": 1800, "validation": 100, "test": 100})
    assert not [key for key in rules.split.places if key.startswith("split.ratios.1")]


def test_the_digest_is_of_what_is_demanded_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    assert load(tmp_path, "  # nothing else\n  seed: 0").digest() == SHIPPED.digest()
    assert load_snapshot_rules(own(tmp_path, "version: 1\n")).digest() == SHIPPED.digest()
    others = ["seed: 1", "minimum: {train: 99}", "stratify: topic", "stratify: meta.topic"]
    assert len({SHIPPED.digest(), *(load(tmp_path, f"  {each}").digest() for each in others)}) == 5


def test_null_takes_the_column_away(tmp_path: Path) -> None:
    assert load(tmp_path, "  stratify: label").split.stratify == "label"
    assert load(tmp_path, "  stratify: null").split.stratify is None


def test_a_split_that_nobody_wants_has_no_share_and_no_minimum(tmp_path: Path) -> None:
    ratios = "  ratios: [{examples: 1, train: 0.8, validation: 0.0, test: 0.2}]"
    error = refused(tmp_path, ratios)
    assert "validation is 0, and its minimum is 100" in error.what
    assert "minimum: {validation: 0}" in str(error.args)
    assert load(tmp_path, f"{ratios}\n  minimum: {{validation: 0}}").split.wanted(10)["validation"] == 0


@pytest.mark.parametrize(
    ("split", "line", "said"),
    [
        ("  sed: 1", 3, "there is no such key"),
        ("  minimum: {tset: 1}", 3, "there is no such key"),
        ("  minimum: {test: -1}", 3, "greater than or equal to 0"),
        ("  minimum: {test: 1.5}", 3, "integer"),
        ("  minimum:", 3, "has no value"),
        ("  seed:", 3, "has no value"),
        ("  seed: one", 3, "integer"),
        ("  ratios: []", 3, "at least 1"),
        ("  ratios: [{examples: 1, train: 0.8, validation: 0.1, test: 0.2}]", 3, "add up to 1.1"),
        ("  ratios: [{examples: 1, train: 0.0, validation: 0.5, test: 0.5}]", 3, "nothing is left to train on"),
        ("  ratios: [{examples: 1, train: 0.8, validation: 0.2}]", 3, "missing"),
        (
            "  ratios:\n"
            "    - {examples: 9, train: 0.8, validation: 0.1, test: 0.1}\n"
            "    - {examples: 9, train: 0.8, validation: 0.1, test: 0.1}",
            3,
            "from the smallest to the largest",
        ),
        (
            "  ratios:\n"
            "    - {examples: 100, train: 0.6, validation: 0.2, test: 0.2}\n"
            "    - {examples: 110, train: 0.8, validation: 0.1, test: 0.1}",
            3,
            "would lose some",
        ),
        ("  stratify: [a, b]", 3, "string"),
        ("  stratify: 'a\"b'", 3, "pattern"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_line(tmp_path: Path, split: str, line: int, said: str) -> None:
    error = refused(tmp_path, split)
    assert said in error.what
    assert error.where == f"rules/snapshot.yaml:{line}"


def test_a_mistyped_key_is_told_its_neighbours(tmp_path: Path) -> None:
    assert "did you mean 'seed'" in str(refused(tmp_path, "  sed: 1"))
    assert "did you mean 'test'" in str(refused(tmp_path, "  minimum: {tset: 1}"))
    with pytest.raises(PolicyError, match="did you mean 'split'"):
        load_snapshot_rules(own(tmp_path, "version: 1\nsplits: {}\n"))


@pytest.mark.parametrize("text", ["", "version: 2\n", "split: {seed: 1}\n", "- 1\n", "version: 1\nsplit:\n"])
def test_a_file_that_says_nothing_gate_knows_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyError, match=r"rules/snapshot\.yaml"):
        load_snapshot_rules(own(tmp_path, text))


def test_a_link_that_leads_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    outside, repository = tmp_path / "outside.yaml", tmp_path / "repository"
    outside.write_text("version: 1\n")
    (repository / "rules").mkdir(parents=True)
    (repository / "rules" / "snapshot.yaml").symlink_to(outside)
    with pytest.raises(PolicyError, match="leads out of the repository"):
        load_snapshot_rules(Folders(repository))


def test_a_repository_with_no_other_rules_is_found(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "data").mkdir()
    own(tmp_path, "version: 1\nsplit: {seed: 3}\n")
    folder = find_settings(tmp_path / "data").folder
    assert load_snapshot_rules(Folders(folder)).split.seed == 3


@pytest.mark.parametrize(
    ("split", "valid"),
    [
        ({"stratify": None}, True),
        ({"stratify": "topic", "seed": 3, "minimum": {"test": 1}}, True),
        ({"seed": None}, False),
        ({"minimum": {"tset": 1}}, False),
        ({"ratios": [{"examples": 1, "train": 0.5, "validation": 0.5}]}, False),
    ],
)
def test_the_published_schema_takes_what_is_read_and_nothing_else(
    tmp_path: Path, split: dict[str, object], valid: bool
) -> None:
    schema = jsonschema.Draft202012Validator(snapshot_schema())
    content = {"version": 1, "split": split}
    assert schema.is_valid(content) is valid
    folders = own(tmp_path, json.dumps(content))
    if valid:
        load_snapshot_rules(folders)
    else:
        with pytest.raises(PolicyError):
            load_snapshot_rules(folders)
