"""Runs that share a cache, or lose it meanwhile, say what they would have said alone, or say why they cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from gate.admission.prepare import WorkerLost
from gate.store.cache import Cache

ROOT = Path(__file__).parents[2]
FEW = "size,structure,exact_duplicates,near_duplicates,conflicting_answers,encoding"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for part in range(3):
        rows = [{"instruction": f"What is {n % 700}?", "output": f"It is {n % 400}. " * 6} for n in range(part, 1500)]
        (folder / f"part-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{bad\n")
    return folder


def begin(data: Path, out: Path, cache: Path, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gate", "check", str(data), "-q", "-s", FEW, "-o", f"parquet={out}"]
    environment = os.environ | {"GATE_CACHE": str(cache)} | variables
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=120)
    assert process.returncode in (1, 2), said
    assert "Traceback" not in said
    return said


def test_three_runs_at_once_on_one_cache(data: Path, tmp_path: Path) -> None:
    runs = [begin(data, tmp_path / f"{n}.parquet", tmp_path / "cache") for n in range(3)]
    for each in runs:
        ended(each)
        assert each.returncode == 1
    first, *others = (pl.read_parquet(tmp_path / f"{n}.parquet") for n in range(3))
    assert first.height > 100
    assert all(other.equals(first) for other in others)
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_a_bound_of_one_byte_while_running_changes_nothing_that_is_said(data: Path, tmp_path: Path) -> None:
    """What a run has just used is in use, and stays until it ends."""
    ended(begin(data, tmp_path / "alone.parquet", tmp_path / "other"))
    for number in range(2):
        run = begin(data, tmp_path / f"{number}.parquet", tmp_path / "cache", GATE_CACHE_LIMIT="1")
        ended(run)
        assert run.returncode == 1
        assert pl.read_parquet(tmp_path / f"{number}.parquet").equals(pl.read_parquet(tmp_path / "alone.parquet"))


@pytest.mark.parametrize("how", ["once it is half full", pytest.param("all the time", marks=pytest.mark.slow)])
def test_a_cache_that_is_cleared_meanwhile_misleads_nobody(data: Path, tmp_path: Path, how: str) -> None:
    ended(begin(data, tmp_path / "alone.parquet", tmp_path / "other"))
    cache = Cache(tmp_path / "cache")
    stop = threading.Event()

    def clear() -> None:
        while not stop.is_set():
            if cache.folder.exists() and len(list(cache.folder.glob("??/*"))) > 4:
                cache.clear()
                if how == "once it is half full":
                    return
            time.sleep(0.05)

    for number in range(1 if how == "once it is half full" else 6):
        out = tmp_path / f"{number}.parquet"
        clearer = threading.Thread(target=clear)
        run = begin(data, out, cache.folder)
        clearer.start()
        said = ended(run)
        stop.set()
        clearer.join()
        stop.clear()
        if run.returncode == 1:
            assert pl.read_parquet(out).equals(pl.read_parquet(tmp_path / "alone.parquet"))
        else:
            assert not out.exists()
            assert "cache" in said
    last = begin(data, tmp_path / "last.parquet", cache.folder)
    ended(last)
    assert pl.read_parquet(tmp_path / "last.parquet").equals(pl.read_parquet(tmp_path / "alone.parquet"))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "JSON of another form": lambda path: path.write_bytes(b"[]"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_cache_in_which_every_file_is_damaged_is_worth_nothing_and_costs_nothing(
    judge, data, tmp_path, damage
) -> None:
    rules = ["structure", "exact_duplicates"]
    first = judge(data, select=rules)
    for path in (tmp_path / "cache").glob("??/*"):
        damage(path)
    again = judge(data, select=rules)
    assert again.findings.equals(first.findings)
    assert again.verdict == first.verdict


def test_a_worker_that_is_ended_from_outside_is_told_and_nothing_is_judged(judge, data, monkeypatch) -> None:
    """As the system does where memory runs out."""
    monkeypatch.setattr("gate.admission.prepare._harmless", lambda job: False)  # not read in this very process
    monkeypatch.setattr("gate.admission.prepare.see_file", _ends)
    with pytest.raises(WorkerLost, match="memory") as error:
        judge(data, select="size")
    assert error.value.exit_code == 4


def _ends(job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
