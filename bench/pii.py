"""Measures the pii check against Presidio row by row: the same texts and entities, in one run, imports apart.

    python bench/pii.py [FOLDER] [--repeat N]

FOLDER holds JSON and JSON Lines files (the real datasets by default). Both sides are warmed first; the findings have
to be equal before any time is printed. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from gate.checks.base import Context
from gate.checks.pii import LANE, PiiParams, pii
from gate.checks.presidio.engine import Setup, build
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.folders import Folders

SHARED = Path(__file__).parents[1] / "../shared/data"
ENTITIES = {
    "CREDIT_CARD": 0.5,
    "CRYPTO": 0.5,
    "EMAIL_ADDRESS": 0.5,
    "IBAN_CODE": 0.5,
    "IP_ADDRESS": 0.6,
    "MAC_ADDRESS": 0.6,
    "PHONE_NUMBER": 0.4,
    "US_ITIN": 0.5,
    "US_SSN": 0.5,
}


def strings(value: object) -> Iterator[str]:
    """Every string that is not empty inside a JSON value."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def records(folder: Path) -> list[object]:
    """Every record of every file in the folder."""
    found: list[object] = []
    for file in sorted(folder.rglob("*.json*")):
        content = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            found += [json.loads(line) for line in content.splitlines() if line]
        else:
            found += json.loads(content)
    return found


def fastest(repeat: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs: others use the machine too."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED)
    parser.add_argument("--repeat", type=int, default=5, help="runs of gate, of which the fastest counts")
    options = parser.parse_args()
    rows = records(options.folder)
    texts = [text for record in rows for text in strings(record)]
    examples = [
        {"id": str(at), "record_id": str(at), "file": "bench", "row": at, "shape": "text", "kind": "text", "text": text}
        for at, text in enumerate(texts)
    ]
    frames = Frames(pl.DataFrame(examples, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    params = PiiParams(entities=ENTITIES)

    with LocalEngine() as engine:
        context = Context(engine, Folders())
        pii.warm(params, context)
        engine.submit(LANE, os.getpid).result()  # the lane's work is done in order
        start = time.perf_counter()
        measured = pii.run(frames, params, context)
        first = time.perf_counter() - start  # with the recogniser's own caches cold
        again = fastest(options.repeat, lambda: pii.run(frames, params, context))

    scores = tuple(ENTITIES.items())
    analyzer, _ = build(Setup("blank", None, "en", scores))
    for recognizer in analyzer.registry.recognizers:
        recognizer.score_thresholds = dict(scores)
    analyzer.analyze("nobody@example.com, 212-736-5000", "en", entities=list(ENTITIES))
    start = time.perf_counter()
    expected = [
        (at, result.start, result.end, result.entity_type, round(float(result.score), 6))
        for at, text in enumerate(texts)
        for result in analyzer.analyze(text, "en", entities=list(ENTITIES))
    ]
    presidio = time.perf_counter() - start

    actual = measured.findings.select("row", "start", "end", "code", pl.col("score").round(6)).rows()
    if sorted(actual) != sorted(expected):
        raise SystemExit("gate's findings are not Presidio's: no time is worth printing")
    report = {
        "rows": len(rows),
        "texts": len(texts),
        "characters": sum(map(len, texts)),
        "findings": len(expected),
        "gate_s": round(again, 3),
        "gate_first_s": round(first, 3),
        "presidio_s": round(presidio, 3),
        "ratio": round(presidio / again, 1),
        "ratio_first": round(presidio / first, 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
