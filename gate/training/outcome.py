"""What `gate train` is about before, while and after it trains: what was prepared, who is told, what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate.errors import GateError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement
from gate.provenance.trust import Trust
from gate.training.events import Event
from gate.training.history import History
from gate.training.launch import Script
from gate.training.lock import OnStage, Opened
from gate.training.recipe_files import Resolved
from gate.training.run_file import Run


class Interrupted(GateError):
    """Training was told to end, and can be gone on with.

    Args:
        number: the signal.
    """

    def __init__(self, what: str, *, number: int, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.exit_code = 128 + number


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run of which everything has been checked."""

    run: Run
    opened: Opened
    resolved: Resolved
    script: Script
    configuration: str
    """Of accelerate, as it was named."""
    configuration_path: Path
    ledger: Ledger
    trust: Trust
    criteria: bytes | None = None
    """The promotion policy that the candidate will be judged by (json); None: of a run that goes on."""
    gating: frozenset[str] = frozenset()
    """Digests of what the suites that will judge it ask (gate.evaluation.gating), where a monitor steers it."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it."""

    run: Run
    statement: Statement
    history: History
    passed_over: tuple[str, ...] = ()
    """Of a resumed run: checkpoints that were not whole."""


@dataclass(frozen=True, slots=True)
class Watching:
    """Who is told how a run goes; each is called from the thread that trains."""

    on_stage: OnStage = lambda stage, done, total: None
    """How far checking and recording are."""
    on_prepared: Callable[[Run, int], None] = lambda run, step: None
    """That the trainer is about to be started, and the step that it goes on from."""
    on_event: Callable[[Event], None] = lambda event: None
    on_note: Callable[[str], None] = lambda note: None
    """Sentences, such as that a checkpoint is passed over."""
