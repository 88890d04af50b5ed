"""`gate plan`, as somebody calls it: what it prints, writes and ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from gate.cli.plan import command
from gate.errors import GateError, UsageError
from gate.reporting.plan_json import plan_schema
from gate.snapshots.open import NotApproved
from gate.verbs.plan import bytes_of
from tests.snapshots.made import People, make_people
from tests.training.plan_made import seven_billion, small_store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def store(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `sums`, which is approved, and `waiting`, which is not."""
    return small_store(tmp_path_factory.mktemp("store"), people)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seven_billion(tmp_path_factory.mktemp("base"))


@pytest.fixture
def plan(store: Path, people: People, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str, snapshot: str = "sums") -> Result:
        places = ["--store", str(store), "--trust", str(people.trust_file)]
        asked = ["--snapshot", snapshot, "--base", str(base), *places, *arguments]
        return CliRunner().invoke(command, asked, standalone_mode=False)

    return run


def said(result: Result) -> str:
    """What people read, on one line."""
    return " ".join(result.stderr.split())


def test_it_asks_for_what_is_not_known(plan) -> None:
    result = plan()
    assert result.return_value == 3
    assert result.stdout == ""
    for words in ("PROMPTS FIRST Provisional", "--prompt-baseline SCORE", "--goal GOAL", "--memory 24GB", "not known"):
        assert words in said(result)
    assert max(map(len, result.stderr.splitlines()[:-1])) <= 80


def test_advice_ends_with_0_or_1(plan) -> None:
    firm = ("--goal", "reasoning", "--memory", "24GB")
    assert plan("--prompt-baseline", "0.95", *firm).return_value == 1
    found = plan("--prompt-baseline", "0.5", *firm)
    assert found.return_value == 1  # 200 examples are few
    assert "PROMPTS FIRST" in said(found)


def test_a_device_that_is_too_small_ends_with_1(plan) -> None:
    result = plan("--memory", "2GB", "--prompt-baseline", "0.5", "--goal", "reasoning")
    assert result.return_value == 1
    assert "nothing fits" in said(result)


def test_json_is_what_its_schema_says(plan, tmp_path: Path) -> None:
    result = plan("--device", "rtx4090", "--hours", "40", "--rate", "100", "-o", "json", "-o", "html=page.html", "-q")
    document = json.loads(result.stdout)
    Draft202012Validator(plan_schema()).validate(document)
    assert result.stderr == ""
    assert document["lengths"]["examples"] == 200
    assert document["cost"]["tuning"] == 4000
    assert document["options"][0]["method"] == "full"
    for option in document["options"]:
        for moment in option["moments"]:
            assert sum(moment["parts"].values()) == moment["total"]
        assert option["bytes"] == max(each["total"] for each in option["moments"])
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_its_command_is_one_that_gate_train_understands(plan) -> None:
    document = json.loads(plan("--memory", "16GB", "-o", "json", "-q").stdout)
    assert document["command"].startswith("gate train --snapshot sums --base ")
    from gate.folders import Folders
    from gate.training.recipe_files import load_recipe, recipe_document

    made = load_recipe(document["recipe"], Folders(), document["sets"]).recipe
    assert recipe_document(made) == document["resolved"]
    assert made.batch % made.device_batch == 0


def test_a_recipe_that_is_named_is_planned_for_as_it_is(plan) -> None:
    document = json.loads(plan("-r", "lora", "--set", "rank=4", "--memory", "80GB", "-o", "json", "-q").stdout)
    assert document["resolved"]["rank"] == 4
    assert document["resolved"]["device_batch"] == 4
    assert document["sets"] == ["rank=4"]
    own = next(each for each in document["options"] if each["method"] == "lora")
    assert own["device_batch"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "nope"), "there is no recipe 'nope'"),
        (("--recipe", "dpo"), "learns from preference examples, and these are chat"),
        (("--set", "rnak=4"), "rnak"),
        (("--goal", "tonne"), "did you mean 'tone'?"),
        (("--device", "a100"), "a100-80gb"),
        (("--memory", "much"), "write 24GB"),
        (("--target", "95"), "95 is no share"),
        (("--consistency", "some"), "high, perfect"),
        (("--output", "pdf"), "json, html"),
        (("--output", "html=/"), "cannot be written"),
        (("--chat-template", "none.jinja"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(plan, arguments: tuple[str, ...], words: str) -> None:
    result = plan(*arguments)
    assert isinstance(result.exception, GateError)
    assert result.exception.exit_code == 2
    assert words in str(result.exception)


def test_a_base_that_is_none_is_said(store: Path, people: People, tmp_path: Path) -> None:
    for name, words in ((str(tmp_path), "no config.json"), (str(tmp_path / "none"), "no such folder")):
        asked = ["-s", "sums", "-b", name, "--store", str(store), "--trust", str(people.trust_file)]
        result = CliRunner().invoke(command, asked, standalone_mode=False)
        assert isinstance(result.exception, GateError)
        assert words in str(result.exception)


def test_a_snapshot_that_may_not_be_used_is_not_planned_with(plan) -> None:
    result = plan(snapshot="waiting")
    assert isinstance(result.exception, NotApproved)
    assert result.exception.exit_code == 1


def test_of_the_hub_small_files_alone_are_fetched(plan, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gate.training import hub
    from gate.verbs import plan as verb

    asked: list[tuple[object, ...]] = []

    def fetch(repository: str, revision: str | None, *, offline: bool, weights: bool) -> hub.Fetched:
        asked.append((repository, revision, weights))
        return hub.Fetched(base, "c" * 40)

    monkeypatch.setattr(verb, "fetch", fetch)
    assert json.loads(plan("-b", "meta/seven@main", "-o", "json", "-q").stdout)["base"] == "meta/seven@main"
    assert asked == [("meta/seven", "main", False)]
    names = [
        "config.json",
        "tokenizer.json",
        "README.md",
        "model-1.safetensors",
        "model.safetensors.index.json",
        "a.py",
    ]
    assert hub._wanted("meta/seven", names, False) == ["README.md", "config.json", "tokenizer.json"]


def test_sizes_are_read_as_people_write_them() -> None:
    assert bytes_of("24GB") == bytes_of(" 24 gb ") == bytes_of("24") == bytes_of("24G") == 24 * 10**9
    assert bytes_of("1GiB") == 2**30
    assert bytes_of("500M") == 5 * 10**8
    for wrong in ("", "0", "-1GB", "24XB", "GB", "1e3", "nan"):
        with pytest.raises(UsageError):
            bytes_of(wrong)


def test_it_loads_no_torch(store: Path, people: People, base: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from click.testing import CliRunner; from gate.cli.plan import command\n"
        "CliRunner().invoke(command, sys.argv[1:], standalone_mode=False, catch_exceptions=False)\n"
        "print([each for each in ('torch', 'transformers', 'trl', 'peft', 'datasets') if each in sys.modules])"
    )
    asked = ["-s", "sums", "-b", str(base), "--store", str(store), "--trust", str(people.trust_file), "-o", "h.html"]
    done = subprocess.run(
        [sys.executable, "-c", script, *asked], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"
