"""What it costs to admit a dataset, over checking it, and to verify and read what was sealed.

    python bench/admit.py [--rows N] [--repeat K]

Whole commands in fresh processes over a generated corpus of 50 files without planted problems, which has no splits:
`gate check --no-cache`, then `gate admit` into an empty store (which divides and seals beyond that), then `gate admit`
with 1 % of all rows changed in one of the files, then `gate.open_snapshot`, which verifies every object, and a reading
of every row. Prints JSON with seconds, peak memory of the process tree, bytes and bytes per second; megabytes are those
of the objects on disk. Ends with an error where a target of the yardstick is missed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.corpus import Plan, generate
from bench.incremental import least, peak, report, target
from bench.measure import Measured, measure

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "corpus"
OVER_THE_CHECK = 60.0
"""Seconds, for a million rows."""
MEMORY = 2 << 30
"""Bytes."""
VERIFIED = 200e6
"""Bytes of objects a second."""
NEW_BYTES = 0.05

Json = dict[str, Any]
"""What was measured, as it is printed."""


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=2, help="runs of each, of which the quickest counts")
    parser.add_argument("--given", action="store_true", help="the data brings its splits: nothing is divided")
    parser.add_argument("--read", nargs=3, metavar=("STORE", "TRUST", "HOW"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(Path(asked.read[0]), Path(asked.read[1]), asked.read[2])))
        return
    with tempfile.TemporaryDirectory(prefix="gate-bench-") as temporary:
        found = measured(Path(temporary), asked.rows, asked.repeat, given=asked.given)
    print(json.dumps(found, indent=1))
    if found["missed"]:
        sys.exit("\n".join(found["missed"]))


def measured(folder: Path, rows: int, repeat: int, *, given: bool) -> Json:
    """Every part, in turn."""
    generate(Plan(rows, files=48, duplicates=0, near=0, templates=0, pii=0), folder)
    data, store = folder / "data", folder / "store"
    if given:
        split(data)
    trust, environment = people(folder)
    check = [sys.executable, "-m", "gate", "check", str(data), "--no-cache", "-q", "--fail-on", "never"]
    admit = [sys.executable, "-m", "gate", "admit", str(data), "--name", NAME, "--store", str(store), "-q"]
    checked = [run(check, environment) for _ in range(repeat)]
    admitted = []
    for _ in range(repeat):
        shutil.rmtree(store, ignore_errors=True)
        admitted.append(run([*admit, "-o", "json"], environment))
    size = stored(store)
    changed(data, rows // 100)
    again = run([*admit, "-o", "json"], environment)
    grown = stored(store) - size
    verified, reading = ([reader(store, trust, how, environment) for _ in range(repeat)] for how in ("open", "read"))
    over = least(admitted) - least(checked)
    rates = [each["bytes"] / each["seconds"] / 1e6 for each in verified]
    if json.loads(admitted[-1].stdout)["snapshot"] == json.loads(again.stdout)["snapshot"]:
        raise RuntimeError("the change gave the same snapshot")
    kinds = {
        "`gate check --no-cache`": checked,
        "`gate admit` into an empty store": admitted,
        "`gate admit` again, 1 % of the rows changed in one of 50 files": [again],
    }
    targets = [
        target(f"{rows:,} rows sealed: ≤ 60 s over the check", over, -OVER_THE_CHECK, " s"),
        target(f"{rows:,} rows sealed: ≤ 2 GB over all processes", peak(admitted) / 1e9, -MEMORY / 1e9, " GB"),
        target("a snapshot verified: ≥ 200 MB/s of its objects", max(rates), VERIFIED / 1e6, " MB/s"),
        target("new bytes after a change in one of 50 files: ≤ 5 %", 100 * grown / size, -100 * NEW_BYTES, " %"),
    ]
    figures = {
        "bytes of the store, to those of the text": size / sum(path.stat().st_size for path in data.rglob("*.jsonl")),
        "MB/s when every row is read after that": max(float(each["megabytes_a_second"]) for each in reading),
    }
    how = "with splits of their own" if given else "divided by the rules"
    return report(f"{rows:,} rows in 50 files, {how}", kinds, targets, figures)


def people(folder: Path) -> tuple[Path, dict[str, str]]:
    """An owner whose word is enough; the environment says who, and where the trust file is."""
    from gate.provenance.keys import new_key

    os.environ["GATE_KEYS"] = str(folder / "keys")
    key = new_key("ana")
    trust = folder / "trust.yaml"
    public = base64.b64encode(key.public).decode()
    trust.write_text(
        f"keys:\n  - {{name: ana, public: {public}, roles: [owner]}}\napprovals:\n  snapshot: {{count: 0}}\n"
    )
    return trust, {"GATE_KEYS": str(folder / "keys"), "GATE_TRUST": str(trust), "GATE_CACHE": str(folder / "cache")}


def split(data: Path) -> None:
    """Let the files say which split they are: one in ten is tested by, one in ten validates."""
    for number, path in enumerate(sorted(data.glob("*.jsonl"))):
        into = data / {3: "validation", 7: "test"}.get(number % 10, "train")
        into.mkdir(exist_ok=True)
        path.rename(into / path.name)


def changed(data: Path, count: int) -> None:
    """Another word in so many rows of one file (or in all that it has)."""
    path = sorted(data.rglob("messages*.jsonl"))[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    for number in range(min(count, len(lines))):
        lines[number] = lines[number].replace(" the ", " thy ", 1).replace(" and ", " also ", 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(command: Sequence[str], environment: dict[str, str]) -> Measured:
    done = measure(command, environment=environment, folder=REPOSITORY)
    if done.code != 0:
        sys.exit(f"{' '.join(command)} ended with {done.code}\n{done.stdout}\n{done.stderr}")
    return done


def reader(store: Path, trust: Path, how: str, environment: dict[str, str]) -> Json:
    done = run([sys.executable, __file__, "--read", str(store), str(trust), how], environment)
    told: Json = json.loads(done.stdout)
    return told | {"peak": done.peak}


def read(store: Path, trust: Path, how: str) -> Json:
    """Open the snapshot, and go through its rows where that is asked for; without the imports."""
    import polars as pl
    import pyarrow.parquet  # noqa: F401

    import gate
    from gate.snapshots.open import Snapshot  # noqa: F401

    pl.DataFrame({"a": ["x"]}).lazy().filter(pl.col("a") == "x").collect()
    begun = time.perf_counter()
    opened = gate.open_snapshot(NAME, store=store, trust=trust)
    if how == "read":
        begun = time.perf_counter()
        rows = sum(part.height for part in opened.examples())
        assert rows == sum(opened.counts.values())
    seconds = time.perf_counter() - begun
    size = sum(shard.bytes for shard in opened.descriptor.shards)
    return {"seconds": round(seconds, 3), "bytes": size, "megabytes_a_second": round(size / seconds / 1e6, 1)}


def stored(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
