"""The comparison with peers: the truth is brute force, rows are judged as defined, and nobody's number is made up."""

from __future__ import annotations

import json
import random
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from bench import peers, peers_environments
from bench.duplicates import texts_of
from bench.peers import compare
from bench.peers_environments import NotInstalled, python_of, reason
from bench.peers_truth import Judged, greedy, judge, similar_pairs

THRESHOLD = Fraction(4, 5)


def test_the_product_of_matrices_finds_what_two_loops_find() -> None:
    draw = random.Random(5)
    sets = [set(draw.sample("abcdefghijkl", draw.randint(1, 12))) for _ in range(300)]
    expected = {
        (one, other)
        for other in range(len(sets))
        for one in range(other)
        if Fraction(len(sets[one] & sets[other]), len(sets[one] | sets[other])) >= THRESHOLD
    }
    assert len(expected) > 50
    assert set(map(tuple, similar_pairs(sets, THRESHOLD).tolist())) == expected


def test_blocks_of_rows_do_not_change_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [{str(row % 7), "x", "y", "z"} for row in range(50)]
    whole = similar_pairs(sets, THRESHOLD).tolist()
    monkeypatch.setattr("bench.peers_truth.BLOCK", 8)
    assert sorted(similar_pairs(sets, THRESHOLD).tolist()) == sorted(whole) != []


def test_a_pair_right_at_the_threshold_is_similar() -> None:
    assert similar_pairs([set("abcd"), set("abcde")], THRESHOLD).tolist() == [[0, 1]]
    assert similar_pairs([set("abcd"), set("abcdef")], THRESHOLD).tolist() == []


def test_a_row_goes_only_for_one_that_is_kept() -> None:
    assert greedy(4, [(0, 1), (1, 2), (2, 3)]) == {1, 3}


def chain() -> list[set[str]]:
    """0 and 1 are similar, 1 and 2 are, 0 and 2 are not; 3 is alone."""
    return [set("abcdefghi"), set("abcdefghij"), set("bcdefghijk"), set("xyz")]


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ({1}, Judged(removed=1, right=1, left=0)),
        ({0, 2}, Judged(removed=2, right=2, left=0)),
        ({1, 2}, Judged(removed=2, right=1, left=0)),
        ({0, 1}, Judged(removed=2, right=1, left=0)),
        (set(), Judged(removed=0, right=0, left=1)),
        ({3}, Judged(removed=1, right=0, left=1)),
    ],
    ids=["the middle one", "both ends", "the chain's end", "the chain's start", "nothing", "another row"],
)
def test_rows_are_judged_by_what_is_kept(removed: set[int], expected: Judged) -> None:
    pairs = similar_pairs(chain(), THRESHOLD)
    assert pairs.tolist() == [[0, 1], [1, 2]]
    assert judge(4, pairs, removed) == expected


def test_shares_of_nothing_are_no_shares() -> None:
    assert Judged(removed=0, right=0, left=0).precision is None
    assert Judged(removed=0, right=0, left=0).recall is None
    assert Judged(removed=0, right=0, left=3).recall == 0
    assert Judged(removed=4, right=3, left=1).precision == Judged(removed=4, right=3, left=1).recall == 0.75


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = texts_of([], 400, tmp_path_factory.mktemp("texts"))
    with path.open("a", encoding="utf-8") as out:  # three alike: it matters which of them are removed
        for end in ("now", "then", "soon"):
            out.write(json.dumps({"text": " ".join(f"w{at}" for at in range(60)) + " " + end}) + "\n")
    return path


def test_gate_and_the_libraries_remove_all_near_duplicates_and_nothing_else(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "interpreter", lambda name, environments: Path(sys.executable))
    lines = compare(texts, ["gate", "datasketch", "rensa", "SetSimilaritySearch"], rounds=1)
    assert [line["contender"] for line in lines] == ["gate", "datasketch", "rensa", "SetSimilaritySearch"]
    for line in lines:
        assert (line["rows"], line["precision"], line["recall"]) == (403, 1, 1), line
        assert line["removed"] >= 20
        assert 0 < line["seconds"] < line["process_seconds"]
        assert line["peak_mib"] > 10


def test_a_peer_that_does_not_run_has_a_reason_and_no_number(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, environments: Path) -> Path:
        if name == "data-juicer":
            raise NotInstalled("no wheel for this machine")
        return Path(sys.executable)

    monkeypatch.setattr(peers, "interpreter", made)
    ran, lacking = compare(texts, ["datatrove", "data-juicer"], rounds=1)
    assert ran["note"].startswith("failed: ModuleNotFoundError")
    assert lacking["note"] == "not installed: no wheel for this machine"
    assert not {"seconds", "recall", "precision"} & {*ran, *lacking}


def test_an_environment_is_made_once_and_again_when_its_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def make(command: list[str]) -> None:
        (tmp_path / "rensa").mkdir(exist_ok=True)
        ran.append(command)

    monkeypatch.setattr(peers_environments, "_run", make)
    assert python_of("rensa", tmp_path) == python_of("rensa", tmp_path)
    assert len(ran) == 2
    assert "torch==2.13.0" in (tmp_path / "constraints.txt").read_text()
    monkeypatch.setitem(peers_environments.REQUIREMENTS, "rensa", ("rensa==9",))
    python_of("rensa", tmp_path)
    assert len(ran) == 4
    assert "rensa==9" in ran[-1]


def test_an_environment_that_failed_is_not_taken_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers_environments.REQUIREMENTS, "rensa", (str(tmp_path / "absent.whl"),))
    with pytest.raises(NotInstalled):
        python_of("rensa", tmp_path / "environments")
    assert not (tmp_path / "environments" / "rensa" / "requirements.txt").exists()


def test_a_reason_is_one_line_without_paths() -> None:
    said = "WARNING: Location 'file:///a/b' is ignored\nERROR: no file:///some/index/here fits /home/me/x.whl\nbye"
    assert reason(said) == "ERROR: no … fits …"
    assert reason("Traceback\n  File x\nKeyError: 'a|b'") == "KeyError: 'a/b'"
    assert reason("") == ""
    json.dumps(reason(said))
