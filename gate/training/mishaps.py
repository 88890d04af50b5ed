"""Why a trainer ended without a candidate, and what to do about it.

What it said itself (an `error` event) is handed on. Where it could not say anything, its exit code and the end of what
it printed tell; remedies are practitioner guide G2's against running out of memory, worked out for the recipe at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.data.masking import mask_text
from gate.errors import GateError
from gate.training.history import History, whole
from gate.training.launch import LOG
from gate.training.recipe import LORA_FAMILY, Recipe

Code = Literal[
    "told", "nan", "device_memory", "memory", "killed", "disk_full", "missing_package", "crashed", "silent", "device"
]
_TAIL = 64_000
"""Bytes of the log's end that are looked at."""
_LINES = 12
"""Lines of it that are shown."""
_WIDTH = 400
"""Characters of each."""

_DEVICE_MEMORY = re.compile(r"OutOfMemoryError|(?:CUDA|HIP|MPS|XPU)(?: error:)? (?:backend )?out of memory", re.I)
_MEMORY = re.compile(
    r"^MemoryError|DefaultCPUAllocator: (?:can't allocate|not enough) memory|Cannot allocate memory|std::bad_alloc"
    r"|\[Errno 12\]",
    re.M,
)
_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\[Errno (?:28|122|27)\]|os error (?:28|122|27)"
    r"|SIGXFSZ|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+",
    re.I,
)
_KILLED = re.compile(r"SIGKILL|exitcode\s*:\s*-9\b")
_CRASHED = re.compile(r"died with <Signals\.(SIG[A-Z]+)|Signal \d+ \((SIG[A-Z]+)\) received by PID")
_MISSING = re.compile(r"^(?:ModuleNotFoundError: No module named|ImportError: .*?requires.*?)\s*['\"`]?([\w.-]+)", re.M)
_DEVICE = re.compile(
    r"CUDA error: (?!out of memory)([^\n]+)|(NCCL [^\n]*error[^\n]*)|ncclInternalError|(CUDNN_STATUS_\w+)"
)
_RAISED = re.compile(
    r"^(?:\[rank\d+\]:\s*)?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit))\b:? ?(.*)", re.M
)
_LAUNCHER = re.compile(r"CalledProcessError|ChildFailedError|torch/distributed/(?:run|elastic)|accelerate/commands")


class TrainingFailed(GateError):
    """The trainer ended without a candidate.

    Args:
        code: what it was, for programs.
        exit_code: 1 where training failed on its merits, 4 where something broke.
    """

    def __init__(
        self, what: str, *, code: Code, exit_code: int, where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.code, self.exit_code = code, exit_code


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended."""

    exit_code: int
    """Of the launcher; negative: the signal that ended it."""
    history: History
    folder: Path
    recipe: Recipe
    context: int | None = None
    """The base's context length, where it is known."""
    log_start: int = 0
    """Where in the log this attempt begins."""

    @property
    def name(self) -> str:
        return self.folder.name


def why(ended: Ended) -> TrainingFailed:
    """What went wrong, in a sentence with its remedies."""
    history, log = ended.history, ended.folder / LOG
    if history.end is not None and history.end.fields.get("reason") == "nan":
        return _nan(ended)
    if history.error is not None:
        return _told(history)
    text = _tail(log, ended.log_start)
    if _DEVICE_MEMORY.search(text):
        what = f"the device ran out of memory{_when(history)}"
        return _failed(ended, what, "device_memory", less_memory(ended))
    if _MEMORY.search(text):
        return _failed(ended, f"memory ran out{_when(history)}", "memory", less_memory(ended))
    if _DISK.search(text):
        return _failed(
            ended,
            f"there is no room left on the disk{_when(history)}",
            "disk_full",
            [f"make room (each checkpoint has optimiser states beside the weights; `--set keep=1` keeps the fewest), "
             f"then go on from the last whole one: gate train --resume {ended.name}"],
        )  # fmt: skip
    if ended.exit_code == -9 or _KILLED.search(text):
        what = f"the trainer was killed (signal 9){_when(history)}, as a system ends a process when memory runs out"
        again = f"if somebody else did it, go on: gate train --resume {ended.name}"
        return _failed(ended, what, "killed", [*less_memory(ended), again])
    if missing := _MISSING.search(text):
        package = missing[1].split(".")[0]
        remedy = f"install it where gate is installed: pip install {package} (all that trains: 'llm-gate[train]')"
        return _failed(ended, f"the trainer needs the package {package}, which is not installed", "missing_package",
                       [remedy], tail=text)  # fmt: skip
    if device := _DEVICE.search(text):
        named: str = next((each for each in device.groups() if each), "NCCL failed")
        remedies = [
            "try it on one device (--launch one) or without (--launch cpu) to see where it comes from",
            f"then go on: gate train --resume {ended.name}",
        ]
        if "device-side assert" in named:
            remedies.insert(0, "a token id may lie outside of the embedding: is the tokenizer the base's own?")
        return _failed(ended, f"the device failed{_when(history)}: {mask_text(named[:200])}", "device", remedies,
                       tail=text)  # fmt: skip
    return _crash(ended, text)


def _told(history: History) -> TrainingFailed:
    assert history.error is not None
    fields = history.error.fields
    message, remedy = str(fields.get("message") or "it did not say why"), fields.get("remedy")
    code = whole(fields.get("exit_code"))
    return TrainingFailed(
        message,
        code="told",
        exit_code=code if code in (1, 2, 3, 4) else 4,
        remedy=str(remedy) if remedy else None,
    )


def _nan(ended: Ended) -> TrainingFailed:
    recipe = ended.recipe
    changes = [f"lr={recipe.lr / 10:g}"]
    if recipe.clip > 1:
        changes.append("clip=1.0")
    if recipe.warmup < 0.1:
        changes.append("warmup=0.1")
    if recipe.precision == "fp16":
        changes.append("precision=bf16")
    remedies = [f"lower the rate, clip gradients, warm up longer: {_set(changes)}"]
    what = (
        f"the loss is no number any more{_when(ended.history)}; nothing is kept of what came after the last checkpoint"
    )
    failed = _failed(ended, what, "nan", remedies)
    failed.exit_code = 1
    return failed


def less_memory(ended: Ended) -> list[str]:
    """What takes less memory, worked out for the recipe: the first costs the least (practitioner guide G2: smaller
    batch, shorter sequence, checkpointing, quantisation)."""
    recipe, found = ended.recipe, []
    smaller = [n for n in range(1, recipe.device_batch) if recipe.batch % n == 0]
    if smaller:
        half = max([n for n in smaller if n <= recipe.device_batch // 2] or [1])
        found.append(
            f"fewer examples at once (accumulated, the batch stays {recipe.batch}): {_set([f'device_batch={half}'])}"
        )
    if not recipe.checkpoint_activations:
        found.append(f"activations recomputed, about a third slower: {_set(['checkpoint_activations=true'])}")
    longest = recipe.max_length or ended.context
    if longest is None or longest > 64:
        shorter = 512 if longest is None or longest > 1024 else longest // 2
        found.append(f"shorter examples (longer ones are cut, and counted): {_set([f'max_length={shorter}'])}")
    if recipe.method == "full":
        found.append("train an adapter in place of all weights: --recipe lora, or --recipe qlora")
        if recipe.optimiser == "adamw":
            found.append(f"or keep the optimiser's state in 8 bits: {_set(['optimiser=adamw_8bit'])}")
    elif recipe.method in LORA_FAMILY and recipe.method != "qlora" and recipe.quantisation == "none":
        found.append("keep the frozen base in 4 bits: --recipe qlora")
    if recipe.batch > recipe.device_batch and not smaller and recipe.device_batch == 1 and len(found) < 2:
        found.append("a smaller base")
    return found


def _crash(ended: Ended, text: str) -> TrainingFailed:
    again = f"after mending it, go on from the last checkpoint: gate train --resume {ended.name}"
    crashed = _CRASHED.search(text)
    if crashed or ended.exit_code < 0:
        signal = next((each for each in (crashed.groups() if crashed else ()) if each), f"signal {-ended.exit_code}")
        return _failed(ended, f"the trainer crashed ({signal}){_when(ended.history)}", "crashed", [again], tail=text)
    if ended.exit_code == 0:
        what = "the trainer ended without saying how; a script tells it with gate.training.events"
        return _failed(ended, what, "silent", ["compare your script with gate's own"], tail=text)
    raised = [match for match in _RAISED.finditer(text) if not _LAUNCHER.search(match.group())]
    said = f": {raised[-1][1]}: {mask_text(raised[-1][2][:300])}".rstrip(": ") if raised else ""
    return _failed(ended, f"the trainer failed{_when(ended.history)}{said}", "crashed", [again], tail=text)


def _failed(
    ended: Ended, what: str, code: Code, remedies: list[str], *, tail: str | None = None, exit_code: int = 4
) -> TrainingFailed:
    lines = list(remedies)
    if tail is not None and (last := _last_lines(tail)):
        lines.append("the last that it printed:\n    " + "\n    ".join(last))
    lines.append(f"all of it: {ended.folder / LOG}")
    return TrainingFailed(what, code=code, exit_code=exit_code, where=ended.name, remedy="\n  ".join(lines))


def _when(history: History) -> str:
    """At which step, or during what."""
    if history.step:
        return f" at step {history.step + 1:,}"
    doing = {"data": " while the rows were read", "model": " while the model was loaded",
             "training": " before the first step was told"}  # fmt: skip
    return doing.get(history.stage, "")


def _set(changes: list[str]) -> str:
    return " ".join(f"--set {each}" for each in changes)


def _tail(log: Path, start: int) -> str:
    """The end of what an attempt printed."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_lines(text: str) -> list[str]:
    """The last lines that are the trainer's and not its launcher's, masked: messages of exceptions quote values."""
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    cut = next((n for n, line in enumerate(lines) if line.startswith("Traceback") and _launched(lines[n:])), None)
    own = lines[:cut]
    return [mask_text(line[:_WIDTH]) for line in own[-_LINES:]]


def _launched(lines: list[str]) -> bool:
    """Whether a traceback is the launcher's."""
    return any(_LAUNCHER.search(line) for line in lines[:4])
