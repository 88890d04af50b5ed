"""What surrounds a trainer's script: its run, its events, its seeds, and what it says when it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gate.errors import GateError
from gate.training.events import Events
from gate.training.run_file import Run


@contextmanager
def session(path: str) -> Iterator[tuple[Run, Events]]:
    """Read `run.json`, seed everything, and tell what goes wrong.

    A `GateError` becomes an `error` event and the exit code that it stands for, without a traceback; anything else is
    a bug or a crash, and keeps its traceback in the run's log.

    Yields:
        The run, and its events (which only the first process of a run writes).
    """
    events = None
    try:
        run = Run.load(path)
        events = Events(run.place, speaks=os.environ.get("RANK", "0") == "0")
        _seed(run)
        yield run, events
    except GateError as error:
        if events is not None:
            events.say("error", code=type(error).__name__, message=str(error), exit_code=error.exit_code)
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _seed(run: Run) -> None:
    from transformers import set_seed
    from transformers.utils import logging

    logging.disable_progress_bar()  # gate shows its own
    set_seed(run.recipe.seed)
