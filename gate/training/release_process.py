"""Runs a step of an export in a fresh process, and tells what went wrong there as what it is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gate.data.masking import mask_text
from gate.errors import GateError, InputError, MissingDependency, UsageError
from gate.store.files import StoreError
from gate.training.release import Job, NotTheSame, Trouble, Unmergeable

JOB, MADE, COMPARED, ERROR, LOG = "job.json", "made.json", "compared.json", "error.json", "log.txt"
Step = Literal["make", "compare"]

_KINDS: Mapping[str, type[GateError]] = {
    each.__name__: each
    for each in (GateError, InputError, MissingDependency, UsageError, NotTheSame, Unmergeable, StoreError)
}
_TAIL = 12
"""Lines of the log that are shown."""


class ExportFailed(GateError):
    """The process broke: nothing was released."""

    exit_code = 4


def run_step(job: Job, step: Step) -> None:
    """Run one step and wait for it; it ends with this process, however that ends.

    Raises:
        GateError: as the process told.
        ExportFailed: it crashed or was killed.
    """
    work = Path(job.work)
    (work / JOB).write_text(job.model_dump_json(indent=1), "utf-8")
    with (work / LOG).open("ab") as log:
        # -P: a folder `gate` in the working directory is not what is run.
        command = [sys.executable, "-P", "-m", "gate.training.release_worker", step, os.fspath(work / JOB)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment())
        try:
            code = process.wait()
        except BaseException:  # Ctrl-C and SIGTERM included
            _end(process)
            raise
    if code == 0:
        return
    if (work / ERROR).exists():
        trouble = Trouble.model_validate_json((work / ERROR).read_bytes())
        kind = _KINDS.get(trouble.code, GateError)
        raise kind(trouble.what, where=trouble.where, remedy=trouble.remedy)
    said = mask_text((work / LOG).read_text("utf-8", "replace")).strip().splitlines()[-_TAIL:]
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise ExportFailed(
            "the process was killed, most likely because the machine ran out of memory",
            remedy="it takes about twice the model's size: close other programs, or use a larger machine",
        )
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    lines = "\n    ".join(said) or "it said nothing"
    raise ExportFailed(f"the process that was to {step} the form crashed ({name})\n    {lines}")


def _environment() -> dict[str, str]:
    """Ours, without the network and without telemetry."""
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        # Everything on the CPU: the same arithmetic for the candidate and its form, wherever it is exported.
        "CUDA_VISIBLE_DEVICES": "",
    }
    return os.environ | quiet


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    if process.poll() is None:
        process.kill()
        process.wait()
