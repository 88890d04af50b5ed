"""Prompt baselines: the untouched base under the team's best prompts, on the items that the candidate will face.

A baseline is a system prompt, a number of shots, or both. The shots of a task are a part of its document, drawn from
the train split by a fixed seed (gate.evaluation.snapshot_tasks): the same ones for every model, and never a test item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.errors import UsageError
from gate.evaluation.settings import Settings
from gate.evaluation.task import Suite, Task
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
    file: str | None = None
    """Name of the file with the system prompt."""
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


def baselines(shots: Sequence[int] = (), systems: Sequence[Path | str] = ()) -> list[Prompts]:
    """Every combination of shots and system prompts; none where neither was asked for.

    Args:
        shots: numbers of examples before each item.
        systems: files, each with a system prompt.

    Raises:
        UsageError: a number is none that can be asked for, or a file cannot be read or says nothing.
    """
    if not shots and not systems:
        return []
    for some in shots:
        if not 0 <= some <= _MOST_SHOTS:
            raise UsageError(f"{some} shots cannot be shown", remedy=f"0 to {_MOST_SHOTS}: --shots 0,5")
    prompts: list[tuple[str, str, str] | None] = [_system(Path(each)) for each in systems]
    numbers: list[int | None] = [*dict.fromkeys(shots)]
    made = []
    for prompt in prompts or [None]:
        for number in numbers or [None]:
            file, text, digest = (None, None, None) if prompt is None else prompt
            said = [] if file is None else [file]
            if number is not None:
                said.append(f"{number} shot{'' if number == 1 else 's'}")
            made.append(Prompts(name=", ".join(said), file=file, system=text, system_digest=digest, shots=number))
    return made


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

    A hub's task brings its own.

    Raises:
        UsageError: one has fewer.
    """
    for task in (task for suite in suites for task in suite.tasks):
        if not shots or task.document.source == "hub" or shows_none(task):
            continue
        if (has := len(task.shot_documents)) < shots:
            raise UsageError(
                f"{shots} shots, and it has {has:,} examples to show",
                where=task.name,
                remedy="fewer --shots; a suite's task takes them from its `fewshot_split`, a snapshot's from the train "
                "split (`shots:` in rules/suites/regression/regression.yaml)",
            )


def shows_none(task: Task) -> bool:
    """Whether a task is asked without examples whatever is said: a whole text is read, with nothing before it; and of
    answers that were marked good or bad, a test split's choices come from pairs that a train split need not have."""
    rolling = task.document.config.get("output_type") == "loglikelihood_rolling"
    return rolling or (task.document.source == "snapshot" and not task.shot_documents)
