"""Training rows that hold evaluation items: gate against what a user would run instead.

`python bench/contamination.py --train gsm8k/train.jsonl --evaluation gsm8k/test.jsonl [--items N] [--others N]
[--decon PYTHON]` plants N items of the evaluation set into the training set, each once per kind of edit, every other
one with an answer of its own, and adds some generated rows. Each contender looks for them in a fresh process of its
own; the least seconds of K rounds count, from reading the files to the flagged rows (imports of libraries do not).
Prints one JSON object per contender and a table: recall by kind of edit, and how many of the rows that nothing was
planted in are flagged. decon runs in the environment that `--decon` names the interpreter of (`decontaminate` there).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

WORD = re.compile(r"\w+")
STRANGERS = ("quickly", "seven", "basket", "therefore", "river", "blue", "until", "market", "seldom", "orange")
NO_ANSWER = "I would rather not say."

Edit = Callable[[str, random.Random], str]
Rows = Callable[[], set[int]]


def _share(first: float, last: float) -> Edit:
    def cut(text: str, dice: random.Random) -> str:
        words = text.split()
        return " ".join(words[round(len(words) * first) : max(1, round(len(words) * last))])

    return cut


def _three(where: float) -> Edit:
    def replace(text: str, dice: random.Random) -> str:
        words = text.split()
        at = round((len(words) - 3) * where)
        words[at : at + 3] = dice.choices(STRANGERS, k=3)
        return " ".join(words)

    return replace


def _each(kind: str, rate: float) -> Edit:
    def change(text: str, dice: random.Random) -> str:
        words: list[str] = []
        for word in text.split():
            if dice.random() >= rate:
                words.append(word)
            elif kind == "insert":
                words += [dice.choice(STRANGERS), word]
            elif kind == "change":
                words.append(dice.choice(STRANGERS))
        return " ".join(words)

    return change


EDITS: dict[str, Edit] = {
    "none": lambda text, dice: text,
    "upper case": lambda text, dice: text.upper(),
    "no punctuation": lambda text, dice: re.sub(r"[^\w\s]", "", text),
    "white space": lambda text, dice: re.sub(r"\s+", lambda _: dice.choice(["\n", "  ", "\t"]), text),
    "within other text": lambda text, dice: f"Help me with my homework, please. {text} Show your steps.",
    "first 80 %": _share(0, 0.8),
    "first 60 %": _share(0, 0.6),
    "first 50 %": _share(0, 0.5),
    "last 60 %": _share(0.4, 1),
    "3 words changed at the start": _three(0),
    "3 words changed in the middle": _three(0.5),
    "3 words changed at the end": _three(1),
    "5 % of words inserted": _each("insert", 0.05),
    "10 % of words inserted": _each("insert", 0.1),
    "20 % of words inserted": _each("insert", 0.2),
    "5 % of words deleted": _each("delete", 0.05),
    "10 % of words deleted": _each("delete", 0.1),
    "20 % of words deleted": _each("delete", 0.2),
    "5 % of words changed": _each("change", 0.05),
    "10 % of words changed": _each("change", 0.1),
    "20 % of words changed": _each("change", 0.2),
    "other numbers": lambda text, dice: re.sub(r"\d+", lambda m: str(int(m.group()) + dice.randint(1, 9)), text),
}
"""Ways in which a copy of a question differs from it."""


def records(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def plant(train: Path, evaluation: Path, items: int, others: int, into: Path) -> dict[str, list[int]]:
    """Write `train/train.jsonl` and `evaluation.jsonl`; returns the rows (from 0) of each kind of edit."""
    dice = random.Random(7)
    rows = [{"question": each["question"], "answer": each["answer"]} for each in records(train)]
    if others:
        corpus = Path(__file__).with_name("corpus.py")
        options = ["--rows", str(others), "--out", str(into / "corpus"), "--files", "1", "--pii", "0"]
        subprocess.run([sys.executable, str(corpus), *options], check=True, stdout=subprocess.DEVNULL)
        from gate.data.read import read
        from gate.data.views import Frames

        dataset = read([into / "corpus" / "data"])
        frames = Frames(dataset.examples, dataset.malformed)
        pairs = zip(frames.prompt, frames.response, strict=True)
        rows += [{"question": prompt, "answer": response} for prompt, response in pairs if prompt and response]
    tests = list(records(evaluation))
    planted: dict[str, list[int]] = {}
    for name, edit in EDITS.items():
        for number, item in enumerate(dice.sample(tests, items)):
            planted.setdefault(name, []).append(len(rows))
            rows.append(
                {"question": edit(item["question"], dice), "answer": NO_ANSWER if number % 2 else item["answer"]}
            )
    order = list(range(len(rows)))
    dice.shuffle(order)
    where = {row: at for at, row in enumerate(order)}
    (into / "train").mkdir()
    with (into / "train/train.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(rows[row]) + "\n" for row in order)
    (into / "evaluation.jsonl").write_text("".join(json.dumps(each) + "\n" for each in tests), encoding="utf-8")
    return {name: [where[row] for row in some] for name, some in planted.items()}


def gate(folder: Path) -> Rows:
    """The shipped rule behind the shipped reader, on one core, as a shard is."""
    from typing import Any, cast

    from gate.checks.base import Context
    from gate.checks.contamination import ContaminationParams, contamination
    from gate.data.read import read
    from gate.data.views import Frames
    from gate.folders import Folders
    from gate.policy.load import load_policy

    (rule,) = (each for each in load_policy("base", Folders()).rules if each.id == "contamination")
    params = ContaminationParams.model_validate(rule.params | {"evaluations": ("evaluation.jsonl",)})

    def run() -> set[int]:
        dataset = read([folder / "train"])
        context = Context(workers=cast(Any, None), folders=Folders(folder))
        found = contamination.run(Frames(dataset.examples, dataset.malformed), params, context).findings
        return {row - 1 for row, severity in found.select("row", "severity").iter_rows() if severity is None}

    return run


def decon(folder: Path, answers: bool = True) -> Rows:
    """allenai/decon as it comes, on one thread, as gate is here. Where it knows the answers, it wants to see them."""
    import decon as library

    def run() -> set[int]:
        own = Path(tempfile.mkdtemp(dir=folder))  # decon leaves an older report of the same name as it is
        (own / "evals").mkdir()
        (own / "train").mkdir()
        with (own / "evals/set.jsonl").open("w") as out:
            for at, each in enumerate(records(folder / "evaluation.jsonl")):
                told = {"eval_key": "set", "eval_instance_index": at, "split": "test", "passage": None}
                told |= {"doc_id": at + 1, "is_correct": True, "fingerprint": str(at)}
                told |= {"question": each["question"], "answer": each["answer"] if answers else None}
                out.write(json.dumps(told) + "\n")
        with (own / "train/rows.jsonl").open("w") as out:
            for each in records(folder / "train/train.jsonl"):
                out.write(json.dumps({"text": each["question"] + "\n" + each["answer"]}) + "\n")
        reports = own / "reports"
        library.detect(
            library.Config(
                training_dir=str(own / "train"),
                evals_dir=str(own / "evals"),
                report_output_dir=str(reports),
                worker_threads=1,
            )
        )
        return {each["training_line"] for path in reports.glob("*.jsonl") for each in _lines(path)}

    return run


def decon_questions(folder: Path) -> Rows:
    """The same, which is told the questions only."""
    return decon(folder, answers=False)


def _lines(path: Path) -> Iterator[dict[str, int]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _grams(text: str, size: int) -> set[str]:
    words = WORD.findall(text.lower())
    return {" ".join(words[at : at + size]) for at in range(len(words) - size + 1)}


def datasketch(folder: Path) -> Rows:
    """Containment search as its documentation shows it: rows indexed, every question a query, 0.8; then verified."""
    from datasketch import MinHash, MinHashLSHEnsemble

    def run() -> set[int]:
        sets = [
            _grams(each["question"] + "\n" + each["answer"], 5) or {""}
            for each in records(folder / "train/train.jsonl")
        ]
        questions = [grams for each in records(folder / "evaluation.jsonl") if (grams := _grams(each["question"], 5))]
        encoded = ([gram.encode() for gram in grams] for grams in sets)
        index = MinHashLSHEnsemble(threshold=0.8, num_perm=128, num_part=16)
        signatures = list(MinHash.bulk(encoded, num_perm=128))
        index.index((row, signature, len(sets[row])) for row, signature in enumerate(signatures))
        found = set()
        queries = MinHash.bulk(([gram.encode() for gram in grams] for grams in questions), num_perm=128)
        for grams, signature in zip(questions, queries, strict=True):
            close = index.query(signature, len(grams))
            found |= {row for row in close if len(grams & sets[row]) >= 0.8 * len(grams)}
        return found

    return run


def thirteen_grams(folder: Path) -> Rows:
    """Brown et al. 2020: any 13 words in a row in common, but for those of more than ten rows."""

    def run() -> set[int]:
        known: set[str] = set()
        for each in records(folder / "evaluation.jsonl"):
            known |= _grams(each["question"], 13) | _grams(each["answer"], 13)
        hits = {}
        for row, each in enumerate(records(folder / "train/train.jsonl")):
            common = _grams(each["question"] + "\n" + each["answer"], 13) & known
            if common:
                hits[row] = common
        rows_with = Counter(gram for grams in hits.values() for gram in grams)
        planted_often = max(10, len(EDITS))  # the bench plants an item many times over, which no dataset does
        return {row for row, grams in hits.items() if any(rows_with[gram] <= planted_often for gram in grams)}

    return run


CONTENDERS: dict[str, Callable[[Path], Rows]] = {
    "gate": gate,
    "decon": decon,
    "decon, questions": decon_questions,
    "datasketch LSH Ensemble": datasketch,
    "13-gram sets": thirteen_grams,
}


def contend(name: str, folder: Path, out: Path) -> None:
    """One contender, in this process."""
    run = CONTENDERS[name](folder)
    begun = time.perf_counter()
    rows = run()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out.write_text(json.dumps({"seconds": seconds, "peak_bytes": peak, "rows": sorted(rows)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--items", type=int, default=200, help="planted per kind of edit")
    parser.add_argument("--others", type=int, default=10_000, help="generated rows that have nothing to do with it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decon", type=Path, help="the Python interpreter of an environment with `decontaminate`")
    parser.add_argument("--contend", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        name, folder, out = arguments.contend
        contend(name, Path(folder), Path(out))
        return
    if arguments.train is None or arguments.evaluation is None:
        parser.error("name --train and --evaluation")
    names = [name for name in CONTENDERS if "decon" not in name or arguments.decon]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        planted = plant(arguments.train, arguments.evaluation, arguments.items, arguments.others, folder)
        results: dict[str, list[dict[str, object]]] = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                out = folder / "out.json"
                python = arguments.decon if "decon" in name else sys.executable
                command = [python, __file__, "--contend", name, folder, out]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                results[name].append(json.loads(out.read_text()))
        rows = sum(1 for _ in records(folder / "train/train.jsonl"))
    report(rows, planted, results)


def report(rows: int, planted: dict[str, list[int]], results: dict[str, list[dict[str, object]]]) -> None:
    """A JSON line per contender, then the table."""
    every = {row for some in planted.values() for row in some}
    table = [["", *results], ["---", *("---:" for _ in results)]]
    figures: dict[str, list[str]] = {"seconds": [], "peak MiB": [], "others flagged": [], "recall, all": []}
    figures |= {f"recall: {name}": [] for name in planted}
    for name, runs in results.items():
        flagged = set(runs[0]["rows"])  # type: ignore[call-overload]
        seconds = min(float(run["seconds"]) for run in runs)  # type: ignore[arg-type]
        peak = max(int(run["peak_bytes"]) for run in runs)  # type: ignore[call-overload]
        recall = {edit: len(flagged & set(some)) / len(some) for edit, some in planted.items()}
        others = len(flagged - every)
        line = {"contender": name, "rows": rows, "planted": len(every), "seconds": round(seconds, 3)}
        print(json.dumps({**line, "peak_mib": round(peak / 2**20), "others": others, "recall": recall}))
        figures["seconds"].append(f"{seconds:.2f}")
        figures["peak MiB"].append(str(round(peak / 2**20)))
        figures["others flagged"].append(f"{others} of {rows - len(every)}")
        figures["recall, all"].append(f"{len(flagged & every) / len(every):.1%}")
        for edit, share in recall.items():
            figures[f"recall: {edit}"].append(f"{share:.1%}")
    table += [[name, *cells] for name, cells in figures.items()]
    print("\n" + "\n".join("| " + " | ".join(row) + " |" for row in table))


if __name__ == "__main__":
    main()
