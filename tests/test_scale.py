"""Large counts: a million rows in which it is known what is wrong, and kills at any moment."""

from __future__ import annotations

import random
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
def test_a_kill_at_any_moment_leaves_no_half_written_output(gate, tmp_path: Path, write_jsonl) -> None:
    """SIGKILL at forty random moments; outputs are whole or absent, and the next run is right."""
    generate(Plan(rows=3_000, seed=5), tmp_path / "corpus")
    data, out = tmp_path / "corpus" / "data", tmp_path / "out"
    arguments = ["check", str(data), "-o", f"json={out}/r.json", "-o", f"html={out}/r.html", "-o", f"{out}/f.parquet"]
    begun = time.monotonic()
    assert gate(*arguments).returncode == 1
    whole = time.monotonic() - begun
    wanted = pl.read_parquet(out / "f.parquet")
    moments = random.Random(7)
    for _ in range(40):
        for path in out.iterdir():
            path.unlink()
        process = subprocess.Popen([sys.executable, "-m", "gate", *arguments], stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0, whole * 1.1))
        try:
            workers = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            workers = []
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (out / "f.parquet").exists():
            assert pl.read_parquet(out / "f.parquet").equals(wanted)
        if (out / "r.html").exists():
            assert (out / "r.html").read_text().rstrip().endswith("</html>")
        if (out / "r.json").exists():
            assert (out / "r.json").read_text().rstrip().endswith("}")
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == [], "a worker outlives the command that was killed"
    assert gate(*arguments).returncode == 1
    assert pl.read_parquet(out / "f.parquet").equals(wanted)
