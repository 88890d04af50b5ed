"""The processes of an export:  python -m gate.training.release_worker make|compare WORK/job.json

`make` writes the form and the candidate's logits; `compare`, started afresh, loads nothing but the form (and, for an
adapter, its base) and says how far its logits are from those.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import GateError, InputError
from gate.store.files import refused
from gate.training.release import Job, Made, Trouble, merge_tolerance, tolerance
from gate.training.release_forms import write_adapter, write_merged
from gate.training.release_gguf import reload_gguf, write_gguf
from gate.training.release_logits import INFINITE, Forward, compare, keep, of_model, token_ids
from gate.training.release_models import (
    dtype_of,
    is_adapter,
    load_adapter,
    load_combined,
    load_merged,
    load_reference,
    load_tokenizer,
    untouched,
)
from gate.training.release_onnx import reload_onnx, write_onnx
from gate.training.release_process import COMPARED, ERROR, MADE

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

LOGITS, FULL_PRECISION, BASE = "logits.safetensors", "full-precision.safetensors", "base.safetensors"
FORM = "form"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def make(job: Job) -> None:
    """Write the candidate's logits and the form."""
    work = Path(job.work)
    target = work / FORM
    target.mkdir()

    # --- The candidate, as it was trained and evaluated ---
    rough = job.combine != "cat" and len(job.ingredients) > 1
    reference = load_combined(job) if rough else load_reference(job)
    ids = token_ids(job, load_tokenizer(job))
    largest = keep(work / LOGITS, ids, of_model(reference))
    dtype = dtype_of(reference)
    effect = _keep_base(job, reference, ids, work / LOGITS)
    del reference
    notes = []
    if rough:
        far = compare(work / LOGITS, of_model(load_reference(job, full_precision=True)), 1.0).difference
        notes.append(f"{job.combine} is not the weighted sum itself, whose logits lie up to {far:.2g} from these")

    # --- A quantised base is never merged into: what the one in full precision changes already ---
    full_precision = None
    if job.quantisation is not None and job.form != "adapter" and is_adapter(Path(job.ingredients[0].folder)):
        unquantised = load_reference(job, full_precision=True)
        full_precision = compare(work / LOGITS, of_model(unquantised), 1.0).difference
        keep(work / FULL_PRECISION, ids, of_model(unquantised))
        effect = _keep_base(job, unquantised, ids, work / FULL_PRECISION)
        del unquantised

    # --- The form ---
    writers = {"adapter": write_adapter, "merged": write_merged, "gguf": write_gguf, "onnx": write_onnx}
    notes += writers[job.form](job, target) or []
    made = Made(largest=largest, dtype=dtype, full_precision=full_precision, effect=effect, notes=notes)
    (work / MADE).write_text(made.model_dump_json(), "utf-8")


def check(job: Job) -> None:
    """Load the form, and compare."""
    work = Path(job.work)
    made = Made.model_validate_json((work / MADE).read_bytes())
    forward = _reloaded(job, work / FORM)
    compared = compare(work / LOGITS, forward, tolerance(job, made))
    near = compared
    if made.full_precision is not None:
        near = compare(work / FULL_PRECISION, forward, merge_tolerance(job, made))
        compared = compared.model_copy(update={"merge": near.difference, "merge_tolerance": near.tolerance})
    if made.effect is not None:
        from_base = compare(work / BASE, forward, near.tolerance).distance
        compared = compared.model_copy(update={"distance": near.distance, "from_base": from_base})
    (work / COMPARED).write_text(compared.model_dump_json(), "utf-8")


def _keep_base(job: Job, candidate: PreTrainedModel | PeftModel, ids: list[list[int]], logits: Path) -> float | None:
    """Write the logits of the untouched base; returns how far training has led from them, where that can be said."""
    with untouched(job, candidate) as base:
        if base is None:
            return None
        keep(Path(job.work) / BASE, ids, of_model(base))
        far = compare(logits, of_model(base), 1.0).difference
    return far if far < INFINITE else None  # of other shape: P-tuning's has its vectors before the prompt


def _reloaded(job: Job, folder: Path) -> Forward:
    if job.form == "onnx":
        return reload_onnx(folder)
    if job.form == "gguf":
        return of_model(reload_gguf(folder))
    return of_model(load_merged(job, folder) if job.form == "merged" else load_adapter(job, folder))


def main(step: str, path: str) -> int:
    """Do one step. What a person can mend is written to `error.json`; anything else is a crash, with its traceback."""
    job = Job.model_validate_json(Path(path).read_bytes())
    try:
        {"make": make, "compare": check}[step](job)
        return 0
    except GateError as error:
        trouble = Trouble(code=type(error).__name__, what=error.what, where=error.where, remedy=error.remedy)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        full = refused(error, Path(job.work) / FORM)
        trouble = Trouble(code="StoreError", what=full.what, remedy="make room, or name another place with --out")
    except Exception as error:
        # safetensors and ONNX Runtime have errors of their own for a disk that is full.
        if not any(f"os error {code}" in str(error) or os.strerror(code) in str(error) for code in _FULL):
            raise
        trouble = Trouble(
            code="StoreError", what="there is no room left", remedy="make room, or name another place with --out"
        )
    (Path(job.work) / ERROR).write_text(trouble.model_dump_json(), "utf-8")
    return InputError.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
