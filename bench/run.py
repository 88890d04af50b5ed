"""Runs the benchmarks and writes what was measured: `make bench`.

Each section is measured on its own and kept in `bench/results.json` with its date, so that one can be repeated
without the others (`--section NAME`); `bench/RESULTS.md` is rendered from that file and from the remarks in
`bench/remarks.md` (`--render` does nothing else). `--quick` runs every section at a tiny size, into a folder of one's
own, to see that the benchmark still works. The peers of `peers` are installed with pip, once, in `out/bench-envs`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.admit import measured as sealing
from bench.check import REPOSITORY, compare
from bench.corpus import Plan, generate
from bench.incremental import changes, growth, one_file
from bench.results import GROWTH, Json, render

REAL = REPOSITORY.parent / "shared" / "data"
"""Real datasets, where they lie beside the checkout."""
EXAMPLES = REPOSITORY / "examples" / "support-desk"
LIBRARIES = ("polars", "numpy", "datasketch", "rensa", "presidio-analyzer", "spacy", "great-expectations", "pandas")


def main() -> None:
    """Read the arguments, run the sections asked for, write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--section", action="append", choices=list(SECTIONS), help="only these; may repeat")
    parser.add_argument("--render", action="store_true", help="measure nothing: write RESULTS.md from results.json")
    parser.add_argument("--rows", type=int, default=200_000, help="size of the generated corpus")
    parser.add_argument("--decon", type=Path, help="the Python interpreter of an environment with `decontaminate`")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="leave the slow composition out")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; needs --out")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "bench", help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        if arguments.out == REPOSITORY / "bench":
            parser.error("--quick measures nothing worth keeping: name another folder with --out")
        arguments.rows, arguments.repeat = 300, 1
    store = arguments.out / "results.json"
    results: dict[str, Json] = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    for name in () if arguments.render else arguments.section or SECTIONS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        measured = SECTIONS[name](arguments)
        if measured is None:
            print(f"{name}: there is nothing to measure it on here", file=sys.stderr)
            continue
        stamp = {"date": datetime.now(UTC).isoformat(timespec="minutes"), "machine": machine(), "versions": versions()}
        results[name] = {**stamp, "measured": measured}
        arguments.out.mkdir(parents=True, exist_ok=True)
        store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    remarks = REPOSITORY / "bench" / "remarks.md"
    text = render(results, remarks.read_text(encoding="utf-8") if remarks.is_file() else "")
    (arguments.out / "RESULTS.md").write_text(text, encoding="utf-8")
    # At a tiny size no target of cost means anything; what gate did not find counts at any size.
    judged = [name for name in results if not (arguments.quick and name in GROWTH)]
    missed = [f"{name}: {what}" for name in judged for what in results[name]["measured"].get("missed", ())]
    if missed and not arguments.render:
        sys.exit("\n".join(missed))


def examples(arguments: argparse.Namespace) -> Json:
    """Cold start to verdict on the example data."""
    return compare(EXAMPLES, repeat=arguments.repeat, alone=True)


def real(arguments: argparse.Namespace) -> Json | None:
    """The real shared rows, against the composition."""
    if arguments.quick or not REAL.is_dir():
        return None
    return compare(REAL, repeat=arguments.repeat, alone=arguments.alone)


def generated(arguments: argparse.Namespace) -> Json:
    """A generated corpus with planted truth, against the composition."""
    with tempfile.TemporaryDirectory() as folder:
        size = min(200, max(10, arguments.rows // 100))
        generate(Plan(rows=arguments.rows, template_size=size), Path(folder))
        measured = compare(Path(folder) / "data", repeat=arguments.repeat, alone=arguments.alone)
    return {**measured, "data": f"bench/corpus.py --rows {arguments.rows} --template-size {size}"}


def findings(arguments: argparse.Namespace) -> Json | None:
    """What the default policy finds in each real dataset, by rule and code."""
    if arguments.quick or not REAL.is_dir():
        return None
    found: dict[str, object] = {}
    for path in _datasets():
        measured = compare(path, repeat=1, alone=True)
        name = path.relative_to(REAL).as_posix()
        found[name] = {"rows": measured["rows"], "verdict": measured["verdict"], "found": measured["found"]}
    return {"datasets": found}


def duplicates(arguments: argparse.Namespace) -> Json:
    """Duplicates alone, on generated rows and on the real ones."""
    rows = min(arguments.rows, 50_000)
    rounds = ["--rounds", str(arguments.repeat)]
    measured: Json = {"generated": _printed("duplicates", ["--rows", str(rows), *rounds])}
    if REAL.is_dir() and not arguments.quick:
        measured["real"] = _printed("duplicates", [*map(str, _datasets()), *rounds])
    return measured


def contamination(arguments: argparse.Namespace) -> Json | None:
    """Planted evaluation items, on the real GSM8K."""
    train, test = REAL / "gsm8k" / "train.jsonl", REAL / "gsm8k" / "test.jsonl"
    if not (train.is_file() and test.is_file()):
        return None
    sizes = ["--items", "2", "--others", "0"] if arguments.quick else []
    decon = ["--decon", str(arguments.decon.absolute())] if arguments.decon else []
    options = ["--train", str(train), "--evaluation", str(test), "--rounds", str(arguments.repeat), *sizes, *decon]
    return {"real": _printed("contamination", options)}


def peers(arguments: argparse.Namespace) -> Json:
    """Near-duplicates against peers in environments of their own, on generated rows and on the real ones."""
    rounds = ["--rounds", str(arguments.repeat)]
    measured: Json = {"generated": _printed("peers", ["--rows", str(min(arguments.rows, 50_000)), *rounds])}
    if REAL.is_dir() and not arguments.quick:
        measured["real"] = _printed("peers", [*map(str, _datasets()), *rounds])
    return measured


def incremental(arguments: argparse.Namespace) -> Json:
    """Little changed; a pull request of one commit."""
    return changes(arguments.rows, arguments.repeat)


def scale(arguments: argparse.Namespace) -> Json:
    """Ten times the rows."""
    return growth(300, 900, 1) if arguments.quick else growth(100_000, 1_000_000, arguments.repeat)


def single(arguments: argparse.Namespace) -> Json:
    """All of it in one file, of ten times the size."""
    return one_file(1, 3) if arguments.quick else one_file(200, 2_000)


def admit(arguments: argparse.Namespace) -> Json:
    """What passes is sealed, and verified."""
    with tempfile.TemporaryDirectory() as folder:
        return sealing(Path(folder), 1_000 if arguments.quick else 1_000_000, 1, given=False)


def pii(arguments: argparse.Namespace) -> Json:
    """Personal data alone, on generated rows and on the real ones."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Plan(rows=min(arguments.rows, 20_000), template_size=50), Path(folder))
        measured: Json = {"generated": _printed("pii", [str(Path(folder) / "data")])}
    if REAL.is_dir() and not arguments.quick:
        measured["real"] = _printed("pii", [str(REAL)])
    return measured


def _datasets() -> list[Path]:
    return sorted(path for path in REAL.rglob("*") if path.suffix in (".json", ".jsonl"))


def _printed(name: str, arguments: list[str]) -> list[Json]:
    """The JSON objects that a script prints, one per contender."""
    command = [sys.executable, str(REPOSITORY / "bench" / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=REPOSITORY)
    if done.returncode != 0:
        raise RuntimeError(f"bench/{name}.py ended with {done.returncode}")
    return _objects(done.stdout)


def _objects(printed: str) -> list[Json]:
    """Every JSON object in what a script printed."""
    decoder, found, at = json.JSONDecoder(), [], printed.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(printed, at)
        found.append(value)
        at = printed.find("{", end)
    return found


def machine() -> dict[str, object]:
    """What it was measured on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []


def versions() -> dict[str, str]:
    """Of the libraries that do the work."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


SECTIONS: dict[str, Callable[[argparse.Namespace], Json | None]] = {
    "examples": examples,
    "real": real,
    "generated": generated,
    "findings": findings,
    "duplicates": duplicates,
    "pii": pii,
    "contamination": contamination,
    "peers": peers,
    "incremental": incremental,
    "scale": scale,
    "single": single,
    "admit": admit,
}

if __name__ == "__main__":
    main()
