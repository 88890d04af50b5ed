"""What it costs to divide a snapshot among its splits, and how many examples move when it grows.

    python bench/splits.py [--rows N] [--rounds K]

A generated corpus is read into a cache of its own, with the numbers that the leakage check keeps of every row: what
`gate admit` has done by then, and not counted. Dividing is then measured in fresh processes: over all rows (copies,
near copies and templates among them), and over those that are left once copies are dropped; each with the seconds of
the division itself, the peak memory of the whole process, and what the leakage check still finds in the result, which
is nothing. Then over 99 % and over all of the rows: how many of the 99 % are in another split afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl

from bench.corpus import Plan, generate
from bench.measure import measure
from gate.admission.prepare import Reading, prepare
from gate.admission.sources import gather
from gate.admission.stored import StoredDataset
from gate.checks.base import Context
from gate.checks.leakage import LeakageParams
from gate.data.corpus import Corpus
from gate.engines.local import LocalEngine
from gate.folders import Folders
from gate.policy.snapshot_rules import load_snapshot_rules
from gate.snapshots.split import Assigned, assign, splitting_demands
from gate.store.cache import Cache

PARTS = ("all", "no copies", "grown")


def main() -> None:
    """Read the arguments, measure each part, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2, help="runs of each part, of which the quickest counts")
    parser.add_argument("--data", type=Path, help="a corpus that `bench/corpus.py` wrote, instead of a new one")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(of_part(asked.part, asked.data, asked.cache)))
        return
    with tempfile.TemporaryDirectory(prefix="gate-bench-") as temporary:
        corpus, cache = asked.data or Path(temporary) / "corpus", Path(temporary) / "cache"
        if asked.data is None:
            generate(Plan(asked.rows, files=20), corpus)
        begun = time.perf_counter()
        opened(corpus, cache)
        result: dict[str, object] = {"reading and features, seconds": round(time.perf_counter() - begun, 1)}
        for part in PARTS:
            command = [sys.executable, __file__, "--part", part, "--data", str(corpus), "--cache", str(cache)]
            runs = []
            for _ in range(1 if part == "grown" else asked.rounds):
                run = measure(command)
                if run.code:
                    sys.exit(run.stderr)
                runs.append(json.loads(run.stdout) | {"peak MiB": round(run.peak / 2**20)})
            result[part] = min(runs, key=lambda one: one["seconds"])
    print(json.dumps(result, indent=1))


def opened(corpus: Path, cache: Path) -> Corpus:
    """The rows of the corpus, with the features of the search for leaks; quick where the cache has them."""
    (demand,) = splitting_demands([], Folders())
    reading = Reading(columns=None, keep_source=False, folders=Folders(), cache=Cache(cache))
    with LocalEngine() as engine, tempfile.TemporaryDirectory() as spool:
        sources = gather([corpus / "data"], Path(spool), stdin=sys.stdin.buffer)
        (prepared,) = prepare([sources], [demand], reading, engine)
    return StoredDataset(sources, prepared, reading).corpus(demand)


def of_part(part: str, corpus: Path, cache: Path) -> dict[str, object]:
    """Divide once (twice for `grown`), in this process."""
    rows = opened(corpus, cache)
    admitted = np.ones(rows.rows.height, dtype=bool)
    if part == "no copies":
        truth = pl.read_parquet(corpus / "truth.parquet").filter(pl.col("how") != "pii")
        copies = truth.select(pl.col("file").cast(rows.rows.schema["file"]), "row").unique()
        marked = rows.rows.join(copies.with_columns(copy=True), on=["file", "row"], how="left", maintain_order="left")
        admitted = marked["copy"].is_null().to_numpy()
    begun, worked = time.perf_counter(), time.process_time()
    assigned = divide(rows, admitted)
    seconds, processor = time.perf_counter() - begun, time.process_time() - worked
    result: dict[str, object] = {
        "rows": int(admitted.sum()),
        "seconds": round(seconds, 2),
        "processor seconds": round(processor, 2),
        "clusters": assigned.clusters.n_unique(),
        "counts": dict(assigned.counts),
        "notes": [note.message for note in assigned.notes],
    }
    if part == "grown":
        before = np.random.default_rng(0).random(admitted.size) < 0.99
        earlier = divide(rows, before)
        later = assigned.splits.filter(pl.Series(before))
        moved = pl.DataFrame({"from": earlier.splits, "to": later}).filter(pl.col("from") != pl.col("to"))
        result |= {
            "old rows": int(before.sum()),
            "moved": moved.height,
            "moved from train to test": moved.filter(pl.col("from") == "train", pl.col("to") == "test").height,
        }
    return result


def divide(rows: Corpus, admitted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Assigned:
    """By the shipped rules."""
    (demand,) = splitting_demands([], Folders())
    assert isinstance(demand.params, LeakageParams)
    with LocalEngine() as engine:
        context = Context(engine, Folders())
        return assign(rows, admitted, load_snapshot_rules(Folders()), demand.params, context)


if __name__ == "__main__":
    main()
