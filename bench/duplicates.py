"""Near-duplicates from reading to verified pairs: gate against what a user would write with other libraries.

`python bench/duplicates.py [PATH ...] [--rows N] [--rounds K]` puts the rows of some datasets (or of a generated
corpus) into one JSONL file of texts, and lets each contender read that file in a fresh process of its own, one
after the other, K times over. Prints one JSON object per contender: the least seconds from reading to the end
(imports of libraries not counted, as for gate), peak memory, recall and precision against the exact all-pairs
search. All use word 5-grams, 128 permutations, 25 bands of 5 rows and a threshold of 0.8; all verify exactly.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

THRESHOLD, SHINGLE, PERMUTATIONS, BANDS, BAND_ROWS = 0.8, 5, 128, 25, 5
WORD = re.compile(r"\w+")

Pairs = list[tuple[int, int]]


def read_sets(path: Path) -> list[set[str]]:
    """The word 5-grams of each text, the usual way; a shorter text is one shingle."""
    sets = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)["text"].lower()
            words = WORD.findall(text)
            grams = {" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}
            sets.append(grams or {" ".join(text.split())})
    return sets


def similar(sets: list[set[str]], one: int, other: int) -> bool:
    common = len(sets[one] & sets[other])
    return common >= THRESHOLD * (len(sets[one]) + len(sets[other]) - common)


def gate(path: Path) -> Callable[[], Pairs]:
    """The shipped check, behind the shipped reader. Its pairs are (dropped, kept)."""
    from concurrent.futures import Future

    import pyarrow  # noqa: F401 - imports are not what is measured
    import rensa  # noqa: F401
    import scipy.sparse.csgraph  # noqa: F401

    from gate.checks.base import Context
    from gate.checks.near_duplicates import NearDuplicatesParams, near_duplicates
    from gate.data.read import read
    from gate.data.views import Frames
    from gate.folders import Folders

    class Here:
        cores = 2

        def submit(self, *_: object, **__: object) -> Future[object]:
            raise NotImplementedError("this check needs no worker")

    params = NearDuplicatesParams(threshold=THRESHOLD, shingle=SHINGLE, permutations=PERMUTATIONS, recall=0.9999)

    def run() -> Pairs:
        dataset = read([path])
        frames = Frames(dataset.examples, dataset.malformed)
        found = near_duplicates.run(frames, params, Context(workers=Here(), folders=Folders())).findings  # type: ignore[arg-type]
        dropped = set(found["row"].to_list())
        kept = {i: r for i, r in dataset.examples.select("id", "row").rows() if r not in dropped}
        return [(row - 1, kept[partner] - 1) for row, partner in found.select("row", "partner").rows()]

    return run


def datasketch(path: Path) -> Callable[[], Pairs]:
    from datasketch import MinHash, MinHashLSH

    def run() -> Pairs:
        sets = read_sets(path)
        index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, BAND_ROWS))
        pairs: Pairs = []
        encoded = ([gram.encode() for gram in grams] for grams in sets)
        for number, signature in enumerate(MinHash.bulk(encoded, num_perm=PERMUTATIONS)):
            pairs += [(number, other) for other in index.query(signature) if similar(sets, number, other)]
            index.insert(number, signature)
        return pairs

    return run


def rensa(path: Path) -> Callable[[], Pairs]:
    from rensa import RMinHash, RMinHashLSH

    def run() -> Pairs:
        sets = read_sets(path)
        index = RMinHashLSH(THRESHOLD, BANDS * BAND_ROWS, BANDS)
        pairs: Pairs = []
        for number, grams in enumerate(sets):
            signature = RMinHash(BANDS * BAND_ROWS, 42)
            signature.update(list(grams))
            pairs += [(number, other) for other in index.query(signature) if similar(sets, number, other)]
            index.insert(number, signature)
        return pairs

    return run


def set_similarity_search(path: Path) -> Callable[[], Pairs]:
    """Exact and complete: what the others are measured against."""
    from SetSimilaritySearch import all_pairs

    def run() -> Pairs:
        found = all_pairs(read_sets(path), similarity_func_name="jaccard", similarity_threshold=THRESHOLD)
        return [(int(one), int(other)) for one, other, _ in found]

    return run


CONTENDERS = {one.__name__: one for one in (gate, datasketch, rensa, set_similarity_search)}


def contend(name: str, path: Path, out: Path) -> None:
    """One contender, in this process."""
    run = CONTENDERS[name](path)
    begun = time.perf_counter()
    pairs = run()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out.write_text(json.dumps({"seconds": seconds, "peak_bytes": peak, "pairs": pairs}))


def texts_of(paths: list[Path], rows: int, into: Path) -> Path:
    """One JSONL file with the full text of every example, a row each."""
    import polars as pl

    from gate.data.read import read
    from gate.data.views import Frames

    if not paths:
        corpus = Path(__file__).with_name("corpus.py")
        subprocess.run([sys.executable, corpus, "--rows", str(rows), "--out", into], check=True, stdout=sys.stderr)
        paths = [into / "data"]
    dataset = read(paths)
    path = into / "texts.jsonl"
    Frames(dataset.examples, dataset.malformed).full.alias("text").to_frame().filter(
        pl.col("text").str.strip_chars() != ""
    ).write_ndjson(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=50_000, help="of the generated corpus, when no path is given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--contend", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        name, path, out = arguments.contend
        contend(name, Path(path), Path(out))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = texts_of(arguments.paths, arguments.rows, Path(folder))
        results: dict[str, list[dict[str, object]]] = {name: [] for name in arguments.only}
        for _ in range(arguments.rounds):
            for name in arguments.only:
                out = Path(folder) / "out.json"
                subprocess.run([sys.executable, __file__, "--contend", name, path, out], check=True)
                results[name].append(json.loads(out.read_text()))
        report(path, results)


def report(path: Path, results: dict[str, list[dict[str, object]]]) -> None:
    """Print a line per contender: recall is the share of all similar pairs that are found (for gate: broken up),
    precision the share of reported pairs that are similar."""
    sets = read_sets(path)
    oracle = results.get("set_similarity_search")
    every = {tuple(sorted(pair)) for pair in oracle[0]["pairs"]} if oracle else None  # type: ignore[attr-defined]
    for name, runs in results.items():
        pairs = {tuple(sorted(pair)) for pair in runs[0]["pairs"]}  # type: ignore[attr-defined]
        found = None
        if every is not None:
            dropped = {pair[0] for pair in runs[0]["pairs"]} if name == "gate" else set()  # type: ignore[attr-defined]
            found = sum(pair in pairs or not dropped.isdisjoint(pair) for pair in every) / max(1, len(every))
        line = {
            "contender": name,
            "rows": len(sets),
            "seconds": round(min(run["seconds"] for run in runs), 3),  # type: ignore[type-var]
            "peak_mib": round(max(run["peak_bytes"] for run in runs) / 2**20),  # type: ignore[type-var, operator]
            "pairs": len(pairs),
            "similar_pairs": None if every is None else len(every),
            "recall": found,
            "precision": sum(similar(sets, *pair) for pair in pairs) / max(1, len(pairs)),
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
