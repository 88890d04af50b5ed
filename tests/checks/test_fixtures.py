"""Every check's own examples, judged by its shipped rule alone: what it shows as failing fails, and what it shows as
mended passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from itertools import groupby, pairwise
from pathlib import Path
from typing import ParamSpec, TypeVar

import polars as pl
import pytest

import gate
from gate.checks import BUILT_IN, load
from gate.checks.base import Context, Measurement
from gate.data.frame import KINDS
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy
from gate.policy.model import Rule

P = ParamSpec("P")
T = TypeVar("T")
Record = Mapping[str, object]
Write = Callable[[Path, Iterable[Record]], Path]

APART = {
    "card": "reads no rows but the README.md beside them",
    "contamination": "has nothing to look for until an evaluation set is registered",
    "diversity": "does not judge as few rows as its mended ones are",
    "drift": "compares with a base",
    "spot_check": "demands nothing until a team says how many examples somebody has to look at",
}
"""Checks whose records by themselves are no pass and no fail, and why; each has tests of its own below."""

CARD = """---
license: cc0-1.0
owner: The harbour office
consent: Everybody who wrote a row agreed to its use.
source_kind: expert
---
"""

BEYOND = "a" * 200_001
SUITES: dict[str, tuple[list[Record], list[Record]]] = {
    "chat": ([{"prompt": "Spell it.", "completion": BEYOND}], [{"prompt": "Spell it.", "completion": "a"}]),
    "preference": (
        [{"prompt": "Spell it.", "chosen": BEYOND, "rejected": "b"}],
        [{"prompt": "Spell it.", "chosen": "a", "rejected": "b"}],
    ),
    "feedback": (
        [{"prompt": "Spell it.", "completion": "a", "label": True}],
        [{"prompt": "Spell it.", "completion": each, "label": each == "a"} for each in "ab"],
    ),
    "text": ([{"text": "The pier."}], [{"text": "The pier is made of stone."}]),
}
"""What a kind's shipped suite finds something in, and the same mended."""


class Here:
    """Workers that work at once and in place."""

    cores = 1

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done


def shipped(name: str, kind: str | None) -> Rule:
    """The rule that is named as its check, of the policy for that kind of example."""
    (rule,) = (each for each in load_policy(kind or "base", Folders()).rules if each.id == name)
    assert rule.check == name
    return rule


def written(name: str, records: Iterable[Record], folder: Path, write: Write) -> Path:
    """The records in a file; those of `structure`, which are of several shapes, in one for each."""
    folder.mkdir()
    if name != "structure":
        write(folder / "data.jsonl", records)
    else:
        for keys, alike in groupby(records, key=lambda record: sorted(record)):
            write(folder / f"{'-'.join(keys)}.jsonl", alike)
    return folder


def measured(name: str, folder: Path) -> Measurement:
    """What a check sees in a folder under its shipped rule."""
    dataset = read([folder])
    assert dataset.examples.height
    kinds = dataset.examples["kind"].unique().to_list()
    rule = shipped(name, kinds[0] if len(kinds) == 1 else None)
    check, context = load(name), Context(Here(), Folders())
    params = check.params.model_validate(rule.params)
    return check.run(Frames(dataset.examples, dataset.malformed), params, context)


def counting(seen: Measurement) -> list[str]:
    """Codes of the findings that have the rule's own severity, not one lowered to information."""
    assert seen.skipped is None
    return seen.findings.filter(pl.col("severity").is_null())["code"].to_list()


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in APART])
def test_what_fails_is_found_by_the_shipped_rule(name: str, tmp_path: Path, write_jsonl: Write) -> None:
    check = load(name)
    assert check.fails
    codes = counting(measured(name, written(name, check.fails, tmp_path / "fails", write_jsonl)))
    assert codes
    assert set(codes) <= set(check.codes)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in APART])
def test_what_passes_is_passed_by_the_shipped_rule(name: str, tmp_path: Path, write_jsonl: Write) -> None:
    check = load(name)
    assert check.passes
    seen = measured(name, written(name, check.passes, tmp_path / "passes", write_jsonl))
    assert seen.examined > 0
    assert counting(seen) == []


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_check_shows_records_or_has_its_reason_here(name: str) -> None:
    check = load(name)
    assert (check.fails and check.passes) or name in APART
    for record in (*check.fails, *check.passes):
        assert json.loads(json.dumps(record)) == record


def outcome(result: gate.AdmissionResult, name: str) -> tuple[str, list[str]]:
    """How the rule ended, and the codes of its findings."""
    (one,) = (each for each in result.outcomes if each.rule.id == name)
    return one.status, result.findings.filter(pl.col("rule") == name)["code"].to_list()


def judged(name: str, paths: Path, **options: object) -> tuple[str, list[str]]:
    return outcome(gate.check(paths, select=name, cache=False, **options), name)  # type: ignore[arg-type]


def test_contamination_finds_its_example_once_it_is_registered(tmp_path: Path, write_jsonl: Write) -> None:
    check = load("contamination")
    write_jsonl(tmp_path / "evaluations" / "ours.jsonl", check.fails)
    policies = tmp_path / "rules" / "admission"
    policies.mkdir(parents=True)
    (tmp_path / "gate.yaml").write_text("version: 1\npolicy: {chat: ours}\n")
    registers = "- {id: contamination, with: {evaluations: [evaluations/ours.jsonl]}}"
    (policies / "ours.yaml").write_text(f"version: 1\nname: ours\nextends: chat\nrules:\n  {registers}\n")
    for records, status in ((check.fails, "failed"), (check.passes, "passed")):
        ended, codes = judged("contamination", write_jsonl(tmp_path / "data" / f"{status}.jsonl", records))
        assert ended == status
        assert bool(codes) == (status == "failed")


def test_contamination_passes_nothing_where_no_set_is_registered(tmp_path: Path, write_jsonl: Write) -> None:
    path = write_jsonl(tmp_path / "data.jsonl", load("contamination").passes)
    result = gate.check(path, select="contamination", cache=False)
    assert outcome(result, "contamination") == ("skipped", [])
    assert result.verdict == "inconclusive"


def test_card_finds_that_there_is_none_and_passes_a_complete_one(tmp_path: Path, write_jsonl: Write) -> None:
    check = load("card")
    assert not check.passes
    path = write_jsonl(tmp_path / "data" / "data.jsonl", check.fails)
    assert judged("card", path.parent) == ("warned", ["no_card"])
    (path.parent / "README.md").write_text(CARD)
    assert judged("card", path.parent) == ("passed", [])


def test_diversity_finds_one_template_and_passes_sentences_that_differ(tmp_path: Path, write_jsonl: Write) -> None:
    check = load("diversity")
    assert counting(measured("diversity", written("diversity", check.fails, tmp_path / "fails", write_jsonl)))
    things = ["pier", "tower", "bridge", "market", "school", "garden", "station", "bakery", "museum", "harbour"]
    verbs = {"stands": "behind the old mill", "closed": "after a storm in May"}
    differ = [
        {"text": f"{a.title()} {verb} {where}, {b}."} for a, b in pairwise(things) for verb, where in verbs.items()
    ]
    own = [*check.passes, *({"prompt": each["text"], "completion": each["text"][::-1]} for each in differ)]
    assert len(own) >= 20
    assert counting(measured("diversity", written("diversity", own, tmp_path / "passes", write_jsonl))) == []


def texts(times: int) -> Iterator[Record]:
    """200 rows of different lengths."""
    for row in range(200):
        yield {"text": f"Boat {row} " + "came in late and left again early. " * ((1 + row % 20) * times)}


def test_drift_finds_rows_three_times_as_long_as_those_of_its_base(tmp_path: Path, write_jsonl: Write) -> None:
    assert not load("drift").fails
    base = write_jsonl(tmp_path / "base" / "data.jsonl", texts(1)).parent
    now = write_jsonl(tmp_path / "now" / "data.jsonl", texts(3)).parent
    assert judged("drift", now, base=base) == ("warned", ["length_drift"])
    same = write_jsonl(tmp_path / "same" / "data.jsonl", [*texts(1), *texts(1)]).parent
    assert judged("drift", same, base=base) == ("passed", [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_suite_of_each_kind_finds_and_passes_its_own(kind: str, tmp_path: Path, write_jsonl: Write) -> None:
    fails, passes = SUITES[kind]
    found = measured("expectations", written("expectations", fails, tmp_path / "fails", write_jsonl)).findings
    assert found.height
    mended = measured("expectations", written("expectations", passes, tmp_path / "passes", write_jsonl)).findings
    assert mended.height == 0
