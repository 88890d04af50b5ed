"""The whole story, on this machine, in minutes: from data that may not be trained on to a model that may be released.

    python examples/demo.py                  # make demo

It types the commands that a team would type, in a folder of its own (out/demo), shows what they print, and holds each
to the exit code that it has to have. Every model is trained here and every number is measured here. `ana` owns the
data and trains; `ben` is the second person, whose word she needs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
sys.path.insert(0, str(EXAMPLES.parent))

from examples.tiny_base import skills  # noqa: E402

ANCHORS = 116
"""Questions of the base's skills that the careful recipe may see; the other 316 are the forgetting suite."""

PASSED, FAILED, WAITING = 0, 1, 3


class Unexpected(Exception):
    """A command ended in another way than the story has it."""


@dataclass
class Story:
    """A team's folder, and what was typed in it."""

    place: Path
    seed: int = 0
    show: bool = True
    """Whether commands print where this one does; else what they print is kept in `printed`."""
    began: float = field(default_factory=time.monotonic)
    printed: dict[str, str] = field(default_factory=dict)

    def tell(self, text: str) -> None:
        """A sentence between the commands."""
        if self.show:
            print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)

    def type(self, command: str, ends_with: int = PASSED) -> str:
        """Type a command; what it printed, where that is not shown.

        Raises:
            Unexpected: it ended with another exit code.
        """
        if self.show:
            print(f"\n$ {command}", flush=True)
        program, *arguments = shlex.split(command)
        start = [sys.executable, "-m", "gate"] if program == "gate" else [sys.executable]
        done = subprocess.run(
            [*start, *arguments],
            cwd=self.place,
            env=self._surroundings(),
            check=False,
            stdout=None if self.show else subprocess.PIPE,
            stderr=None if self.show else subprocess.STDOUT,
            text=True,
        )
        self.printed[command] = done.stdout or ""
        if done.returncode != ends_with:
            raise Unexpected(f"`{command}` ended with {done.returncode}, and not with {ends_with}\n{done.stdout or ''}")
        return done.stdout or ""

    def _surroundings(self) -> Mapping[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("GATE_")}
        mine |= {"GATE_KEYS": str(self.place / "keys"), "GATE_TRUST": str(self.place / "trust.yaml")}
        paths = [str(EXAMPLES.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        mine |= {"PYTHONPATH": os.pathsep.join(paths), "TOKENIZERS_PARALLELISM": "false"}
        # Threads that wait do not spin: beside other work spinning makes a model of this size many times slower.
        return {"OMP_WAIT_POLICY": "PASSIVE"} | mine


def prepare(story: Story) -> None:
    """A repository with data, recipes, a policy and a suite of its own, and two people with keys."""
    place = story.place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / ".git").mkdir()  # where the repository begins
    shutil.copytree(EXAMPLES / "support-desk", place / "data")
    for folder in ("rules", "recipes"):
        shutil.copytree(EXAMPLES / "team" / folder, place / folder)
    known = skills()
    random.Random(0).shuffle(known)  # the same questions whatever the seed
    write(place / "general/train.jsonl", [{"instruction": asked, "output": said} for asked, said in known[:ANCHORS]])
    items = [{"question": asked, "answer": said, "skill": _skill(asked)} for asked, said in known[ANCHORS:]]
    write(place / "rules/suites/forgetting/skills.jsonl", items)


def _skill(question: str) -> str:
    return next((word + "s" for word in ("capital", "opposite") if word in question), "sums")


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def leave_out(folder: Path, findings: Path) -> int:
    """What a person does with rows that `gate fix` could not mend: here she leaves them out. The number of rows."""
    import polars as pl

    blocking = pl.read_parquet(findings).filter(pl.col("severity") == "error").select("file", "row").unique()
    for (name,), rows in blocking.group_by("file"):
        path, wrong = folder / str(name), set(rows["row"].drop_nulls().to_list())
        if not wrong:
            path.unlink()  # of the whole file nothing could be read
        elif path.suffix == ".parquet":
            pl.read_parquet(path).with_row_index(offset=1).filter(~pl.col("index").is_in(wrong)).drop(
                "index"
            ).write_parquet(path)
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                header, *kept = csv.reader(file)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *(row for at, row in enumerate(kept, 1) if at not in wrong)])
        else:
            lines = path.read_text("utf-8").splitlines(keepends=True)
            path.write_text("".join(line for at, line in enumerate(lines, 1) if at not in wrong), "utf-8")
    return blocking.height


def data(story: Story) -> None:
    """The first door: what may be trained on."""
    story.tell("ana owns the data and trains; ben reviews. Each has a key.")
    for name, role in (("ana", "owner"), ("ben", "reviewer")):
        story.type(f"gate keys new {name}")
        story.type(f"gate keys trust {name} --role {role} --trust trust.yaml")
    story.tell("May this be trained on? Problems were planted in it.")
    story.type("gate check data --output html=check.html", FAILED)
    story.tell("What can be mended safely is mended; the rest is for a person.")
    story.type("gate fix data --out mended", FAILED)
    story.type("gate check mended --output parquet=left.parquet --quiet", FAILED)
    rows = leave_out(story.place / "mended", story.place / "left.parquet")
    story.tell(f"ana looks at the {rows} rows and files that still block, and leaves them out.")
    story.type("gate admit mended --name support-desk --key ana", WAITING)
    story.type("gate approve support-desk --key ben --yes")
    story.tell("What the base must not forget: general questions, as a snapshot too, to hold it by.")
    story.type("gate admit general --name general --key ana", WAITING)
    story.type("gate approve general --key ben --yes")


def models(story: Story) -> None:
    """A base, and two candidates."""
    story.tell("A tiny base, from scratch: it can add, and knows some capitals and opposites.")
    story.type(f"python {EXAMPLES / 'tiny_base.py'} base --seed {story.seed}")
    for name in ("careful", "reckless"):
        story.tell({"careful": "One candidate by LoRA, held to what the base knew.",
                    "reckless": "Another one: every weight, at a high rate, held by nothing."}[name])  # fmt: skip
        story.type(
            f"gate train --snapshot support-desk --base base --recipe recipes/{name}.yaml --name {name} "
            f"--set seed={story.seed} --key ana"
        )


def promotion(story: Story) -> None:
    """The second door: what may be released."""
    story.tell("Both and their base are scored: on the test split, on what the base could do, on what they give away.")
    story.type("gate eval careful reckless --suite regression --suite forgetting --suite memorization --key ana")
    story.tell(
        "A model this small has nothing to say to customers. What training changed is how many bits a byte of the "
        "agents' answers costs it."
    )
    story.tell("The careful one: better at its task, and no worse at the rest? There is no champion yet: --first.")
    story.type("gate promote careful --first --output html=careful.html --output json=careful.json --key ana", WAITING)
    story.tell("ben reads the report, and signs. The next run makes it the champion.")
    story.type("gate approve careful --key ben --yes --note 'read the report'")
    story.type("gate promote careful --key ana")
    story.tell("And the reckless one?")
    story.type("gate promote reckless --output html=reckless.html --output json=reckless.json --key ana", FAILED)
    story.tell("From the champion back to the files that its rows came from:")
    story.type("gate verify champion")


def tell(story: Story, steps: tuple[Callable[[Story], None], ...] = (prepare, data, models, promotion)) -> Story:
    """All of it, in order."""
    for step in steps:
        step(story)
    return story


def main() -> None:
    """Tell the story, and open its three reports where there is a screen."""
    parser = argparse.ArgumentParser(description="The whole story: check, fix, admit, train, evaluate, promote.")
    parser.add_argument("--out", type=Path, default=EXAMPLES.parent / "out" / "demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-open", action="store_true", help="do not open the reports in a browser")
    arguments = parser.parse_args()
    try:
        story = tell(Story(arguments.out.resolve(), arguments.seed))
    except Unexpected as error:
        sys.exit(f"\nThis is not how the story goes: {error}")
    reports = [story.place / name for name in ("check.html", "careful.html", "reckless.html")]
    story.tell(f"Told in {time.monotonic() - story.began:.0f} s. Three reports:")
    for report in reports:
        print(report)
        if sys.stdout.isatty() and not arguments.no_open and (os.environ.get("DISPLAY") or sys.platform != "linux"):
            webbrowser.open(report.as_uri())


if __name__ == "__main__":
    main()
