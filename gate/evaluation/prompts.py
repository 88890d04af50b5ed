"""Prompt baselines: the untouched base under the team's best prompts, on the items that the candidate will face.

A baseline is a system prompt, a number of shots, or both. The shots of a task are a part of its document, drawn from
the train split by a fixed seed (gate.evaluation.snapshot_tasks): the same ones for every model, and never a test item.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.errors import UsageError
from gate.evaluation.settings import Settings
from gate.evaluation.task import Suite
from gate.provenance.about import Digest
from gate.provenance.envelope import canonical

LARGEST_PROMPT = 1 << 20
"""Bytes. A guard against the wrong file."""
_MOST_SHOTS = 100


class Prompts(BaseModel):
    """The object (json) of a prompt baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    name: str
    """For reports: `support.txt, 5 shots`."""
    system: str | None = None
    system_digest: Digest | None = None
    """SHA-256 of the file as it was given."""
    shots: Annotated[int, Field(ge=0, le=_MOST_SHOTS)] | None = None
    """None: as each task says."""

    def settings(self, plain: Settings) -> Settings:
        """Settings under this baseline."""
        return plain.model_copy(update={"system": self.system, "shots": self.shots})

    def digest(self) -> str:
        """SHA-256 (hex) of its canonical JSON."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()


def baselines(shots: str | None = None, system: Sequence[Path | str] = ()) -> list[Prompts]:
    """Every combination of shots and system prompts; none where neither was asked for.

    Args:
        shots: numbers, parted by commas: `0,5`.
        system: files, each a system prompt.

    Raises:
        UsageError: a number is none, or a file cannot be read or says nothing.
    """
    numbers: list[int | None] = [*_numbers(shots)] if shots is not None else [None]
    if shots is None and not system:
        return []
    prompts: list[tuple[str, str, str] | None] = [_system(Path(each)) for each in system]
    made = []
    for prompt in prompts or [None]:
        for number in numbers:
            said = [] if prompt is None else [prompt[0]]
            if number is not None:
                said.append(f"{number} shot{'' if number == 1 else 's'}")
            text, digest = (None, None) if prompt is None else prompt[1:]
            made.append(Prompts(name=", ".join(said), system=text, system_digest=digest, shots=number))
    return made


def _numbers(shots: str) -> list[int]:
    parts = [part.strip() for part in shots.split(",")]
    found = []
    for part in parts:
        if not re.fullmatch(r"[0-9]{1,3}", part) or int(part) > _MOST_SHOTS:
            raise UsageError(
                f"--shots: {part[:40]!r} is no number of examples", remedy="numbers from 0 to 100: --shots 0,5"
            )
        found.append(int(part))
    return list(dict.fromkeys(found))


def _system(path: Path) -> tuple[str, str, str]:
    """Name, text and digest of a file with a system prompt."""
    where = path.as_posix()
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST_PROMPT else None
        text = None if content is None else content.decode("utf-8-sig").strip()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise UsageError(f"the system prompt cannot be read ({reason})", where=where, remedy="name a file") from None
    except UnicodeDecodeError:
        raise UsageError("the system prompt is not UTF-8", where=where, remedy="save it as UTF-8") from None
    if content is None or not text:
        what = "is empty" if content is not None else f"has more than {LARGEST_PROMPT:,} bytes"
        raise UsageError(f"the system prompt {what}", where=where, remedy="is this the right file?")
    return path.name, text, hashlib.sha256(content).hexdigest()


def check_shots(suites: Iterable[Suite], shots: int | None) -> None:
    """That every task has as many examples to show as are asked for, apart from those it is scored on.

    Tasks that read a whole text show none, and a hub's task brings its own.

    Raises:
        UsageError: one has fewer.
    """
    for task in (task for suite in suites for task in suite.tasks):
        if not shots or task.document.source == "hub":
            continue
        if task.document.config.get("output_type") == "loglikelihood_rolling":
            continue
        if (has := len(task.shot_documents)) < shots:
            raise UsageError(
                f"{shots} shots, and it has {has:,} examples to show",
                where=task.name,
                remedy="fewer --shots; a suite's task takes them from its `fewshot_split`, a snapshot's from the train "
                "split (`shots:` in rules/suites/regression/regression.yaml)",
            )
