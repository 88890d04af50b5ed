"""What it costs to verify, trace and erase in a sealed snapshot.

    python bench/verify.py [--rows N] [--repeat K]

Whole commands in fresh processes over the corpus of `bench/admit.py`, admitted once: `gate verify NAME`, `gate verify
--all`, `gate trace ID`, `gate trace TEXT` (which nobody wrote, so that every text is looked through), for comparison
`gate store check` (it hashes, and looks into nothing), and last `gate erase ID --yes`. Prints JSON: seconds, megabytes
of objects a second and peak memory; `verify_seconds_itself` is what `gate verify` counts itself, without the start of
Python and imports. Ends with an error where fewer than 200 MB a second are verified.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.admit import NAME, VERIFIED, people, run, stored
from bench.corpus import Plan, generate
from bench.measure import Measured, measure

REPOSITORY = Path(__file__).resolve().parents[1]

Json = dict[str, Any]
"""What was measured, as it is printed."""


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the quickest counts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gate-bench-") as temporary:
        report = measured(Path(temporary), asked.rows, asked.repeat)
    print(json.dumps(report, indent=1))
    if report["missed"]:
        sys.exit("\n".join(report["missed"]))


def measured(folder: Path, rows: int, repeat: int) -> Json:
    """Every part, in turn."""
    generate(Plan(rows, files=48, duplicates=0, near=0, templates=0, pii=0), folder)
    store = folder / "store"
    _, environment = people(folder)
    gate, at = [sys.executable, "-m", "gate"], ["--store", str(store)]
    run([*gate, "admit", str(folder / "data"), "--name", NAME, *at, "-q"], environment)
    size = stored(store)

    def best(*arguments: str) -> Measured:
        return min((run([*gate, *arguments, *at], environment) for _ in range(repeat)), key=lambda each: each.wall)

    verified = best("verify", NAME, "-o", "json")
    itself = json.loads(verified.stdout)["checked"]
    example = _example(store)
    found = {
        "verify": verified,
        "verify_all": best("verify", "--all", "-o", "json"),
        "store_check": best("store", "check"),
        "trace_id": best("trace", example, "-o", "json"),
        "trace_text": _absent([*gate, "trace", "words that nobody wrote", *at], environment, repeat),
    }
    erased = run([*gate, "erase", example, "--why", "bench", "--yes", *at, "-o", "json"], environment)
    rate = itself["bytes"] / itself["seconds"]
    report: Json = {
        "rows": rows,
        "store_bytes": size,
        "verified_bytes": itself["bytes"],
        "verify_seconds_itself": itself["seconds"],
        "verified_megabytes_a_second": round(rate / 1e6, 1),
    }
    for name, each in {**found, "erase": erased}.items():
        report[f"{name}_seconds"] = round(each.wall, 2)
        report[f"{name}_peak_megabytes"] = round(each.peak / 1e6)
    return report | {"missed": ["fewer than 200 MB a second are verified"] if rate < VERIFIED else []}


def _absent(command: Sequence[str], environment: dict[str, str], repeat: int) -> Measured:
    """A search that finds nothing, which is the longest, and ends with 2."""
    done = [measure(command, environment=environment, folder=REPOSITORY) for _ in range(repeat)]
    if any(each.code != 2 for each in done):
        sys.exit(f"{' '.join(command)} ended with {done[0].code}\n{done[0].stderr}")
    return min(done, key=lambda each: each.wall)


def _example(store: Path) -> str:
    """The id of an admitted example."""
    import polars as pl

    for path in sorted((store / "objects").rglob("*.parquet")):
        if "messages" in pl.read_parquet_schema(path):
            return str(pl.read_parquet(path, columns=["id"])["id"][0])
    raise AssertionError("nothing was admitted")


if __name__ == "__main__":
    main()
