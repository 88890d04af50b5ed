"""`gate admit` as a person or a machine runs it: what is printed, where, and the exit code."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from gate.cli.admit import EPILOG
from gate.provenance.keys import new_key
from gate.store.objects import Store

Run = Callable[..., "CompletedProcess[str]"]
WORDS = ["harbour", "lamp", "keeper", "tide", "stair", "evening", "weather", "book", "ship", "rope", "gull", "chart"]
POLICY = """
version: 1
name: quick
description: Two rules
rules:
  - {id: structure, check: structure, severity: error, tolerate: 2, remedy: fix, why: x}
  - {id: exact_duplicates, check: exact_duplicates, severity: error, tolerate: 2, remedy: drop, why: x}
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys, with a trust file beside them: `ana` is an owner, `ben` a reviewer."""
    folder = tmp_path_factory.mktemp("people")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(folder / "keys"))
        made = [(new_key("ana"), "owner"), (new_key("ben"), "reviewer")]
    lines = [
        f"  - {{name: {key.name}, public: {base64.b64encode(key.public).decode()}, roles: [{role}]}}\n"
        for key, role in made
    ]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines))
    return folder


@pytest.fixture
def run(gate: Run, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`gate admit data --name harbour --policy quick.yaml` with more arguments, and ana's key."""
    monkeypatch.setenv("GATE_KEYS", str(keys / "keys"))
    monkeypatch.delenv("GATE_TRUST", raising=False)
    (tmp_path / "quick.yaml").write_text(POLICY)
    given = ("data", "--name", "harbour", "--policy", "quick.yaml", "--store", "store")

    def start(*arguments: object, trust: bool = True) -> CompletedProcess[str]:
        named = ("--key", "ana", *(("--trust", keys / "trust.yaml") if trust else ()))
        return gate("admit", *given, *(named if "--key" not in arguments else named[2:]), *arguments)

    return start


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Splits with a row that is there twice."""
    dice = random.Random(1)
    sizes: Mapping[str, int] = {"train": 30, "validation": 10, "test": 10}
    for split, size in sizes.items():
        rows = [
            {"instruction": " ".join(dice.choices(WORDS, k=12)), "output": " ".join(dice.choices(WORDS, k=20))}
            for _ in range(size)
        ]
        path = tmp_path / "data" / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[: split == "train"]]))
    return tmp_path / "data"


def test_a_person_is_told_what_was_sealed_and_what_is_next(run: Run, data: Path, tmp_path: Path) -> None:
    done = run()
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    text = " ".join(done.stderr.split())
    for words in (
        "WAITING harbour #1",
        "train 30 60.0%",
        "51 rows read = 51 examples + 0 malformed; 51 examples = 50 admitted + 1 excluded",
        "1 row excluded by exact_duplicates",
        "1 approval by a reviewer, other than ana",
        "next: gate approve ",
    ):
        assert words in text
    digest = text.partition("next: gate approve ")[2][:12]
    assert len([each for each in Store(tmp_path / "store").statements() if each.startswith(digest)]) == 1
    again = run()
    assert "the name stood for this very snapshot already" in again.stderr


def test_a_machine_gets_json(run: Run, data: Path) -> None:
    done = run("--output", "json", "--quiet")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["schema"] == "gate.admission/1"
    assert (told["verdict"], told["status"]) == ("pass", "waiting")
    assert (told["admitted"], told["excluded"], told["excluded_by_rule"]) == (50, 1, {"exact_duplicates": 1})
    assert told["splits"] == {"train": 30, "validation": 10, "test": 10}
    assert len(told["snapshot"]) == 64
    assert told["report"] is not None
    assert json.loads(run("-o", "json", "-q", "--no-report").stdout)["report"] is None


def test_what_fails_is_told_as_by_a_check(run: Run, data: Path, tmp_path: Path) -> None:
    rows = (data / "train.jsonl").read_text()
    (data / "train.jsonl").write_text(rows * 2)
    done = run("--output", "json")
    assert done.returncode == 1
    assert "FAIL" in done.stderr
    assert "gate rules explain exact_duplicates" in done.stderr
    assert "nothing was sealed: exact_duplicates failed" in done.stderr
    assert json.loads(done.stdout)["snapshot"] is None
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "trusted", "code", "words"),
    [
        ((), False, 2, "no trust file is named"),
        (("--trust", "nothing.yaml"), False, 2, "nothing.yaml"),
        (("--key", "carl"), True, 2, "there is no key 'carl'"),
        (("--key", "ben"), True, 1, "'ben' is a reviewer"),
        (("--name", "Not A Name"), True, 2, "no name for a dataset"),
        (("--policy", "strickt"), True, 2, "strickt"),
        (("--fail-on", "never"), True, 2, "never"),
        (("nothing-there",), True, 2, "nothing-there"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    run: Run, data: Path, tmp_path: Path, arguments: tuple[str, ...], trusted: bool, code: int, words: str
) -> None:
    done = run(*arguments, trust=trusted)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_the_name_has_to_be_given(gate: Run, data: Path) -> None:
    done = gate("admit", "data")
    assert done.returncode == 2
    assert "--name" in done.stderr


def test_help_shows_examples_that_are_commands(gate: Run) -> None:
    done = gate("admit", "--help")
    assert done.returncode == 0
    assert "Nothing is sealed unless the verdict is pass." in " ".join(done.stdout.split())
    for option in ("--store", "--trust", "--trust-revision", "--key", "--name", "--policy"):
        assert option in done.stdout
    assert "gate admit data/ --name support-desk" in EPILOG
