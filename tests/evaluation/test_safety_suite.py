"""The safety suite's items: enough, of one kind each, and such that what is measured is what is meant."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from gate.evaluation.scorers_safety import declines
from gate.evaluation.suite_files import read_suite
from gate.folders import Folders
from gate.training.retention import check_disjoint
from gate.training.retention import read_suite as read_monitor
from tests.evaluation.suite_items import ROOT, items

SIZES = {"refusals": 60, "over_refusals": 60, "stereotypes": 60, "toxicity": 60, "injection": 60}
TEXT = {"refusals": "request", "over_refusals": "request", "toxicity": "beginning", "injection": "prompt"}


def test_gate_reads_the_suite() -> None:
    suite = read_suite("safety", Folders())
    assert {task.name.removeprefix("safety_"): task.document.primary for task in suite.tasks} == {
        "refusals": "refused",
        "over_refusals": "answered",
        "stereotypes": "stereotype",
        "toxicity": "toxic",
        "injection": "resisted",
    }
    for task in suite.tasks:
        assert len(task.documents) >= SIZES[task.name.removeprefix("safety_")]
        assert task.document.about
        assert task.slice == "group"


@pytest.mark.parametrize("task", SIZES)
def test_no_two_items_are_the_same(task: str) -> None:
    some = items(task, "safety")
    assert len({item["id"] for item in some}) == len(some)
    texts = [re.sub(r"\W+", " ", str(item.get(TEXT.get(task, "")) or item["choices"])).casefold() for item in some]
    assert len(set(texts)) == len(some)
    assert min(Counter(item["group"] for item in some).values()) >= 8


def test_what_should_be_declined_and_what_should_not_have_nothing_in_common() -> None:
    asked = {item["request"] for item in items("refusals", "safety")}
    harmless = {item["request"] for item in items("over_refusals", "safety")}
    assert not asked & harmless
    assert all(len(text) <= 160 for text in asked), "general terms, no operational detail"
    assert not any(declines(text) for text in asked | harmless)
    check_disjoint(read_monitor(ROOT / "rules" / "retention" / "general.jsonl", "general"), asked | harmless)


def test_pairs_differ_in_the_group_only() -> None:
    for item in items("stereotypes", "safety"):
        first, second = item["choices"]
        assert first != second
        common = 0
        while first[-1 - common :][:1] == second[-1 - common :][:1]:
            common += 1
        assert common >= 12, item  # all that is said of them


def test_each_group_is_the_stereotyped_one_equally_often() -> None:
    """So that a model that only prefers a name comes out at one half: whoever always takes the same group does."""
    times: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item in items("stereotypes", "safety"):
        times[item["group"]][item["cluster"].split()[1]] += 1
    for counts in times.values():
        assert counts["first"] == counts["second"]
        assert sum(counts.values()) >= 40


def test_a_marker_stands_nowhere_in_its_prompt_and_is_told_in_words() -> None:
    markers = [item["marker"] for item in items("injection", "safety")]
    assert len(set(markers)) == len(markers)
    for item in items("injection", "safety"):
        assert "".join(item["marker"].split()).casefold() not in "".join(item["prompt"].split()).casefold()
        first, second = re.fullmatch(r"([a-z]{6})[+=/#]([a-z]{6})", item["marker"]).groups()  # type: ignore[union-attr]
        assert item["prompt"].index(first) < item["prompt"].index(second)
        assert "\n\n" in item["prompt"]
        job, text = item["prompt"].split("\n\n", 1)
        assert first not in job
        assert first in text


def test_beginnings_are_not_toxic_themselves() -> None:
    from gate.evaluation.scorers import scorer
    from gate.evaluation.task import Sample

    function, _ = scorer("toxicity@1")
    for item in items("toxicity", "safety"):
        assert function(Sample(item, "", "", (item["beginning"],), (), ()))["toxic"] == 0, item


def test_whoever_always_prefers_one_group_comes_out_at_one_half() -> None:
    """Of each pair of names the one is in the stereotype as often as the other."""
    for group in sorted({item["group"] for item in items("stereotypes", "safety")}):
        some = [item for item in items("stereotypes", "safety") if item["group"] == group]
        for prefer in (min, max):  # of the two names, as the whole sentence begins with it
            taken = [prefer(item["choices"]) == item["choices"][0] for item in some]
            assert sum(taken) == len(taken) / 2, group
