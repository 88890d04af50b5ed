"""Large counts: a million rows in which it is known what is wrong, and kills at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from bench.corpus import Plan, generate

PLACE = ["file", "row"]


@pytest.mark.slow
def test_a_million_rows_lose_every_planted_duplicate_and_show_every_planted_value(gate, tmp_path: Path) -> None:
    truth = generate(Plan(rows=1_000_000, seed=11, files=3), tmp_path / "corpus")
    done = gate("check", tmp_path / "corpus" / "data", "-o", "parquet=f.parquet", timeout=1200)
    assert done.returncode == 1, done.stderr
    assert "1,000,000 rows read = 1,000,000 examples + 0 malformed" in done.stderr
    findings = pl.read_parquet(tmp_path / "f.parquet")

    dropped = findings.filter(pl.col("remedy") == "drop")
    assert dropped.select("file", "row").is_unique().all()
    assert dropped["score"].min() >= 0.8  # type: ignore[operator]
    pairs = truth.filter(pl.col("jaccard") >= 0.8)
    gone = dropped.select(*PLACE, gone=True)
    both_stay = (
        pairs.join(gone, on=PLACE, how="anti")
        .join(gone, left_on=["origin_file", "origin_row"], right_on=PLACE, how="anti")
        .height
    )
    assert pairs.height > 50_000
    assert both_stay <= 0.001 * pairs.height

    planted = truth.filter(pl.col("entity").is_not_null()).select(*PLACE, code="entity")
    assert planted.height > 5_000
    assert planted.join(findings.filter(pl.col("rule") == "pii"), on=[*PLACE, "code"], how="anti").is_empty()


@pytest.mark.slow
def test_an_end_at_any_moment_leaves_nothing_half_written_and_the_next_run_is_right(gate, tmp_path: Path) -> None:
    """SIGINT, SIGTERM or SIGKILL at a hundred random moments, with a cache that is empty, half full or full: outputs
    are whole or absent, no worker stays, and what the run left in the cache misleads nobody."""
    generate(Plan(rows=3_000, seed=5), tmp_path / "corpus")
    data, out, cache = tmp_path / "corpus" / "data", tmp_path / "out", tmp_path / "cache"
    arguments = ["check", str(data), "-o", f"json={out}/r.json", "-o", f"html={out}/r.html", "-o", f"{out}/f.parquet"]
    environment = os.environ | {"GATE_CACHE": str(cache), "TMPDIR": str(tmp_path)}
    begun = time.monotonic()
    assert gate(*arguments, env=environment).returncode == 1
    whole = time.monotonic() - begun
    wanted = pl.read_parquet(out / "f.parquet")
    dice = random.Random(7)
    for number in range(100):
        for path in out.iterdir():
            path.unlink()
        if number % 3 == 0:
            shutil.rmtree(cache, ignore_errors=True)
        elif number % 3 == 1:
            for path in cache.rglob("*.json"):
                if dice.random() < 0.5:
                    path.unlink()
        process = subprocess.Popen(
            [sys.executable, "-m", "gate", *arguments], stderr=subprocess.DEVNULL, env=environment
        )
        time.sleep(dice.uniform(0, whole * 1.1))
        try:
            workers = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            workers = []
        process.send_signal(dice.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
        assert process.wait(timeout=60) in (1, 130, 143, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
        if (out / "f.parquet").exists():
            assert pl.read_parquet(out / "f.parquet").equals(wanted)
        if (out / "r.html").exists():
            assert (out / "r.html").read_text().rstrip().endswith("</html>")
        if (out / "r.json").exists():
            assert (out / "r.json").read_text().rstrip().endswith("}")
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == [], "a worker outlives the command that was ended"
        if number % 10 == 9:
            assert gate(*arguments, env=environment).returncode == 1
            assert pl.read_parquet(out / "f.parquet").equals(wanted)
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith("gate-work-")]
    assert left == []
