"""What fine-tuning forgets, and what each guard of gate's keeps: B gained against A kept.

    python bench/forgetting.py [--seed N] [--out FOLDER]

A tiny base (examples/tiny_base.py) knows task A by heart: additions, capitals, opposites. It is trained on task B, of
which kind a thing is (a number, a country …), by the real script (`trainers/sft.py`) from a sealed and approved
snapshot, in several ways. B is measured on questions that were not trained on, A on the half of its questions that no
guard has seen: the other half is the approved snapshot that replay mixes in and that the Fisher information is
estimated on. Both are the share of answers that are exact, greedily. A seed divides the rows of both tasks, orders them
and draws the adapter's first weights. Results: bench/forgetting.json, .md and .svg.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"  # the model is tiny: threads would wait for one another

import gate
from examples import tiny_base
from gate.provenance.keys import PrivateKey, new_key, public_text
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Approval
from gate.store.objects import Store
from gate.training.model_files import hashed_files, model_digest
from gate.training.recipe import Recipe
from gate.training.run_file import BaseModelUse, Run, SnapshotUse
from gate.verbs.admit import admit

HERE = Path(__file__).resolve().parent
TRAINED, VALIDATED = 240, 24
WORDINGS = (
    "What kind of thing is {}?",
    "Is {} a country, a city, a number or a word?",
    "Tell me the kind of {}.",
    "{}: of which kind is it?",
)
Pair = tuple[str, str]

COMMON: dict[str, object] = {
    "version": 1, "objective": "sft", "batch": 8, "device_batch": 8, "max_steps": 150, "warmup": 0.1,
    "schedule": "linear", "evaluate_every": 1000, "log_every": 20, "samples": 0, "patience": 0, "precision": "fp32",
    "keep": 1, "dropout": 0.0, "rank": 16, "alpha": 32,
}  # fmt: skip
"""What all of them share."""
FULL: dict[str, object] = {"method": "full"}
LORA: dict[str, object] = {"method": "lora", "lr": 4e-3, "batch": 16, "device_batch": 16, "max_steps": 100}
HIGH = FULL | {"lr": 1e-3}
EXAMPLES = 60

WAYS: dict[str, dict[str, object]] = {
    "full, high rate": HIGH,
    "LoRA": LORA,
    "LoRA + replay": LORA | {"replay": 0.2},
    "LoRA + EWC": LORA | {"ewc": 3000.0},
    "full, low rate": FULL | {"lr": 2e-4},
    "full + EWC": HIGH | {"ewc": 3000.0},
    "full + replay": HIGH | {"replay": 0.2},
    "LoRA + KL": LORA | {"kl": 0.3},
    "full + L2-SP": HIGH | {"l2sp": 0.3},
    "full, lower layers frozen": HIGH | {"freeze_layers": 2},
}
"""Each way, by what differs."""


@dataclass(frozen=True)
class Measured:
    """One run."""

    way: str
    seed: int
    gained: float
    """Share of B's unseen questions that are answered exactly."""
    kept: float
    """Share of A's questions that no guard saw."""
    seconds: float
    """Of training."""


@dataclass(frozen=True)
class Bench:
    """A base, and approved snapshots beside it."""

    folder: Path
    base: Path
    snapshots: Mapping[str, SnapshotUse]
    unseen_a: list[Pair]
    unseen_b: list[Pair]


def kinds() -> list[Pair]:
    """Task B: of which kind a thing is that task A speaks of, asked for in four wordings."""
    things = {str(number): "number" for number in range(20)}
    things |= dict.fromkeys(tiny_base.CAPITALS, "country") | dict.fromkeys(tiny_base.CAPITALS.values(), "city")
    things |= dict.fromkeys([*tiny_base.OPPOSITES, *tiny_base.OPPOSITES.values()], "word")
    return [(wording.format(thing), kind) for thing, kind in things.items() for wording in WORDINGS]


def prepare(folder: Path, base: Path, seed: int) -> Bench:
    """Divide the rows, and have the snapshots admitted and approved."""
    draw = random.Random(seed)
    skills, pairs = tiny_base.skills(), kinds()
    draw.shuffle(skills)
    draw.shuffle(pairs)
    half = len(skills) // 2
    owner, reviewer = _people(folder)
    uses = {
        "train": _sealed(folder, "kinds", pairs[:TRAINED], pairs[TRAINED:][:VALIDATED], owner, reviewer),
        "general": _sealed(folder, "general", skills[:half], skills[half:][:VALIDATED], owner, reviewer),
    }
    return Bench(folder, base, uses, skills[half:], pairs[TRAINED + VALIDATED :])


def _people(folder: Path) -> tuple[PrivateKey, PrivateKey]:
    os.environ["GATE_KEYS"] = str(folder / "keys")
    owner, reviewer = new_key("owner"), new_key("reviewer")
    lines = [
        f"  - {{name: {key.name}, public: {public_text(key.public)}, roles: [{key.name}]}}\n"
        for key in (owner, reviewer)
    ]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines), encoding="utf-8")
    (folder / "quick.yaml").write_text(
        "version: 1\nname: quick\nmin_examples: 100\nrules:\n  - {id: structure, check: structure, severity: error, "
        "remedy: fix, why: Rows that cannot be read teach nothing.}\n",
        encoding="utf-8",
    )
    return owner, reviewer


def _sealed(
    folder: Path, name: str, train: Sequence[Pair], validation: Sequence[Pair], owner: PrivateKey, reviewer: PrivateKey
) -> SnapshotUse:
    data = folder / name
    data.mkdir()
    for split, rows in (("train", train), ("validation", validation)):
        lines = [json.dumps({"instruction": question, "output": answer}) + "\n" for question, answer in rows]
        (data / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    trust = folder / "trust.yaml"
    made = admit(
        [data], name=name, signer=owner, trust=trust, policy=folder / "quick.yaml", report=False, store=folder / ".gate"
    )
    Ledger(Store(made.store)).say(Approval(statement=made.statement.digest), reviewer)
    gate.open_snapshot(made.sealed.snapshot, store=folder / ".gate", trust=trust)
    return SnapshotUse(snapshot=made.sealed.snapshot, name=name, statement=made.statement.digest, role="train")


def measure(bench: Bench, way: str, seed: int) -> Measured:
    """Train in one way, and ask the candidate both tasks."""
    from gate.training.saving import load_candidate
    from trainers import sft

    said = COMMON | WAYS[way]
    general = bench.snapshots["general"]
    uses = [bench.snapshots["train"]]
    if share := said.pop("replay", None):
        uses.append(general.model_copy(update={"role": "replay"}))
        said["replay"] = {"snapshot": general.snapshot, "share": share}
    if strength := said.pop("ewc", None):
        uses.append(general.model_copy(update={"role": "ewc"}))
        said["ewc"] = {"snapshot": general.snapshot, "strength": strength, "examples": EXAMPLES}
    name = way.replace(" ", "-").replace(",", "")
    folder = bench.folder / "runs" / name
    folder.mkdir(parents=True)
    files = hashed_files(bench.base)
    run = Run(
        name=name,
        folder=str(folder),
        store=str((bench.folder / ".gate").resolve()),
        trust=str(bench.folder / "trust.yaml"),
        snapshots=uses,
        base=BaseModelUse(path=str(bench.base), name="tiny-base", digest=model_digest(files), files=files),
        recipe=Recipe.model_validate(said | {"seed": seed}),
    )
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        sft.main(str(run.write()))
    seconds = time.perf_counter() - begun
    model, tokenizer = load_candidate(run.candidate, bench.base)
    return Measured(
        way, seed, share_of(model, tokenizer, bench.unseen_b), share_of(model, tokenizer, bench.unseen_a), seconds
    )


def share_of(model: object, tokenizer: object, pairs: Sequence[Pair]) -> float:
    """Questions that a model answers exactly."""
    from gate.training.retention import Item, score

    items = [Item(id=str(at), prompt=question, answer=answer) for at, (question, answer) in enumerate(pairs)]
    return score(model, tokenizer, items).share


def untouched(bench: Bench, seed: int) -> Measured:
    """The base."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(bench.base), AutoTokenizer.from_pretrained(bench.base)
    return Measured(
        "base", seed, share_of(model, tokenizer, bench.unseen_b), share_of(model, tokenizer, bench.unseen_a), 0
    )


def run(base: Path, seeds: Iterable[int], ways: Sequence[str]) -> list[Measured]:
    """Every way with every seed."""
    measured: list[Measured] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="gate-bench-") as temporary:
            bench = prepare(Path(temporary), base, seed)
            measured.append(untouched(bench, seed))
            for way in ways:
                measured.append(measure(bench, way, seed))
                one = measured[-1]
                print(
                    f"seed {seed}  {way:28} B {one.gained:6.1%}  A {one.kept:6.1%}  {one.seconds:5.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    return measured


def summed(measured: Sequence[Measured]) -> list[dict[str, float | str]]:
    """Of each way the mean over seeds, and between which values the seeds lie."""
    rows: list[dict[str, float | str]] = []
    for way in dict.fromkeys(one.way for one in measured):
        gained, kept = ([getattr(one, key) for one in measured if one.way == way] for key in ("gained", "kept"))
        row: dict[str, float | str] = {"way": way, "seeds": len(gained)}
        for key, values in (("gained", gained), ("kept", kept)):
            row |= {key: statistics.fmean(values), f"{key} low": min(values), f"{key} high": max(values)}
        rows.append(row)
    return rows


def table(rows: Sequence[Mapping[str, float | str]]) -> str:
    """As Markdown."""
    lines = ["| way | what differs | B gained | A kept |", "| --- | --- | --- | --- |"]
    for row in rows:
        said = ", ".join(
            f"`{key}: {value}`"
            for key, value in WAYS.get(str(row["way"]), {}).items()
            if key not in ("method", "device_batch")
        )
        cells = [f"{row[key]:.0%} ({row[f'{key} low']:.0%} – {row[f'{key} high']:.0%})" for key in ("gained", "kept")]
        lines.append(f"| {row['way']} | {said} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def plot(rows: Sequence[Mapping[str, float | str]]) -> str:
    """As SVG: the mean of each way, with a line from the lowest to the highest seed in both directions."""
    import vl_convert

    values = [{key.replace(" ", "_"): value for key, value in row.items()} for row in rows]
    for value in values:
        value["family"] = str(value["way"]).partition(" ")[0].strip(",+")

    def axis(field: str, title: str) -> dict[str, object]:
        scale = {"domain": [0, 1]}
        return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"format": "%"}}

    x, y = axis("kept", "A kept"), axis("gained", "B gained")
    colour = {"field": "family", "type": "nominal", "title": None, "sort": ["base", "full", "LoRA"]}
    rule = {"mark": {"type": "rule", "opacity": 0.35}, "encoding": {"color": colour}}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 620,
        "height": 420,
        "background": "white",
        "data": {"values": values},
        "layer": [
            {
                **rule,
                "encoding": {"x": axis("kept_low", "A kept"), "x2": {"field": "kept_high"}, "y": y, "color": colour},
            },
            {
                **rule,
                "encoding": {
                    "y": axis("gained_low", "B gained"),
                    "y2": {"field": "gained_high"},
                    "x": x,
                    "color": colour,
                },
            },
            {"mark": {"type": "point", "filled": True, "size": 70}, "encoding": {"x": x, "y": y, "color": colour}},
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "dy": -6, "fontSize": 11},
                "encoding": {"x": x, "y": y, "text": {"field": "way"}, "color": colour},
            },
        ],
    }
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return svg


PAGE = """# What fine-tuning forgets

Measured by `bench/forgetting.py` on {date} with torch {torch}, {seeds} seeds; each figure is the mean, with the lowest
and the highest. Task A is what the tiny base knew ({base:.0%} of the questions asked here). Task B is to say which of
four kinds a thing is; {common:.0%} is what the commonest kind alone gives. B is asked in questions that were not
trained on, A in those that neither replay nor the Fisher information has seen. Training makes {steps} steps of {batch}
rows where the table says nothing else.

{table}

![B gained against A kept](forgetting.svg)

- A base this small forgets at once: at a high rate nothing of A is left. What this shows is which guard holds here, not
  by how much it would on another model.
- Where all weights are trained EWC keeps most of A at almost no cost in B. Under LoRA, with its factored estimate at
  the same strength, it keeps as much of A and holds B back, to little more than the commonest kind.
- Replay keeps about two thirds of A under LoRA, and less where all weights go at a high rate.
- KL is taken on B's own tokens, where the base says something else than what is to be learned: at 0.3 it holds B back
  and keeps nothing here. L2-SP at 0.3 keeps a little; a low rate and frozen layers keep a third, and learn little.
- Rates and strengths were chosen by a few trials on seed 0, and nothing was searched for beyond that; the way with all
  weights and LoRA differ in steps and batch as the table says. The whole benchmark took {minutes} minutes on two cores.
"""


def _commonest() -> float:
    """The share of B that is right for a model that always says the same."""
    said = [answer for _, answer in kinds()]
    return max(map(said.count, said)) / len(said)


def main() -> None:
    """Measure, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, action="append", help="may repeat; 0, 1 and 2 where none is said")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only these; may repeat")
    parser.add_argument("--base", type=Path, help="a base that examples/tiny_base.py made, instead of a new one")
    parser.add_argument("--render", action="store_true", help="measure nothing: draw what forgetting.json holds")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    store = asked.out / "forgetting.json"
    if not asked.render:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gate-bench-") as temporary:
            base = asked.base or Path(temporary)
            if asked.base is None:
                tiny_base.make(base)
            measured = run(base, asked.seed or [0, 1, 2], asked.way or list(WAYS))
        kept = {
            "date": datetime.now(UTC).date().isoformat(),
            "torch": version("torch"),
            "minutes": round((time.monotonic() - begun) / 60),
            "runs": [asdict(one) for one in measured],
        }
        asked.out.mkdir(parents=True, exist_ok=True)
        store.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    write(json.loads(store.read_text(encoding="utf-8")), asked.out)


def write(kept: Mapping[str, Any], out: Path) -> None:
    """The table and the plot of what was measured."""
    rows = summed([Measured(**one) for one in kept["runs"]])
    page = PAGE.format(
        date=kept["date"], torch=kept["torch"], minutes=kept["minutes"], seeds=int(rows[0]["seeds"]),
        base=rows[0]["kept"], common=_commonest(), steps=COMMON["max_steps"], batch=COMMON["batch"], table=table(rows),
    )  # fmt: skip
    (out / "forgetting.md").write_text(page, encoding="utf-8")
    (out / "forgetting.svg").write_text(plot(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
