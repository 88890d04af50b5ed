"""The benchmark of forgetting: what it holds apart, that a run of it works, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gate
from bench import forgetting
from bench.forgetting import COMMON, WAYS, Measured, prepare, summed, table, write
from examples import tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: it knows nothing, which is enough to see that everything runs."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_base, "STEPS", 2)
        tiny_base.make(folder)
    return folder


def test_what_is_measured_is_seen_by_no_guard(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "keys"))
    bench = prepare(tmp_path, base, seed=1)
    seen: dict[str, set[str]] = {}
    for name, use in bench.snapshots.items():
        opened = gate.open_snapshot(use.snapshot, store=tmp_path / ".gate", trust=tmp_path / "trust.yaml")
        seen[name] = {messages[0]["content"] for messages in opened.frame("train")["messages"].to_list()}
    assert not seen["train"] & {question for question, _ in bench.unseen_b}
    assert not seen["general"] & {question for question, _ in bench.unseen_a}
    assert len(bench.unseen_b) >= 50
    assert len(bench.unseen_a) == len(tiny_base.skills()) // 2


@pytest.mark.slow
def test_every_way_trains(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setitem(COMMON, "max_steps", 2)
    monkeypatch.setattr(forgetting, "EXAMPLES", 2)
    measured = forgetting.run(base, [0], list(WAYS))
    assert [one.way for one in measured] == ["base", *WAYS]
    assert all(0 <= one.gained <= 1 and 0 <= one.kept <= 1 for one in measured)


RUNS = [
    Measured("base", 0, 0.0, 0.98, 0.0),
    Measured("base", 1, 0.0, 1.0, 0.0),
    Measured("LoRA", 0, 0.9, 0.5, 3.0),
    Measured("LoRA", 1, 0.7, 0.7, 3.0),
]


def test_seeds_are_summed_up() -> None:
    _, lora = summed(RUNS)
    assert (lora["gained"], lora["gained low"], lora["gained high"]) == (pytest.approx(0.8), 0.7, 0.9)
    assert "| LoRA | `lr: 0.004`, `batch: 16`, `max_steps: 100` | 80% (70% – 90%) | 60% (50% – 70%) |" in table(
        summed(RUNS)
    )


def test_the_page_and_the_plot_show_every_way(tmp_path: Path) -> None:
    runs = [{"way": one.way, "seed": one.seed, "gained": one.gained, "kept": one.kept, "seconds": 1} for one in RUNS]
    write({"date": "2026-01-01", "torch": "2", "minutes": 1, "runs": runs}, tmp_path)
    svg = (tmp_path / "forgetting.svg").read_text("utf-8")
    assert svg.startswith("<svg")
    for way in ("base", "LoRA"):
        assert way in svg
        assert way in (tmp_path / "forgetting.md").read_text("utf-8")


def test_the_stored_results_are_of_what_the_benchmark_does() -> None:
    kept = json.loads((forgetting.HERE / "forgetting.json").read_text("utf-8"))
    ways = {one["way"] for one in kept["runs"]}
    assert ways - {"base"} <= set(WAYS)
    assert {"full, high rate", "full, low rate", "LoRA", "LoRA + replay", "LoRA + KL", "full + EWC"} <= ways
    assert len({one["seed"] for one in kept["runs"]}) >= 3
    base = [one["kept"] for one in kept["runs"] if one["way"] == "base"]
    assert min(base) >= 0.95
