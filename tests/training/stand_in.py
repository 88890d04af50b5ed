"""A trainer's script that trains nothing: it counts, tells, writes checkpoints and a candidate as the real ones do, and
meets whatever mishap STAND_IN names. It needs no torch, so that a run of it is over in a moment.

    STAND_IN=kill:3   killed by SIGKILL at step 3, the first time only
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import polars as pl

import gate
from gate.errors import UsageError
from gate.training.accounting import FATES
from gate.training.checkpoints import close_checkpoint
from gate.training.events import Events
from gate.training.run_file import Run

STEPS = 8


def main(path: str) -> None:
    run = Run.load(path)
    events = Events(run.place)
    what, _, at = os.environ.get("STAND_IN", "").partition(":")
    mishap_at = int(at or -1)
    asked = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    events.say("stage", name="data")
    opened = [gate.open_snapshot(use.snapshot, store=run.store, trust=run.trust) for use in run.snapshots]
    print("rows:", sum(each.counts["train"] for each in opened))
    events.say("stage", name="model")
    events.say("parameters", trainable=10, total=1000)
    events.say("stage", name="training")
    done, total = 0, 0
    if run.resume:
        state = json.loads((Path(run.resume) / "trainer_state.json").read_text())
        done, total = state["global_step"], state["total"]
    reason = "finished"
    for step in range(done + 1, STEPS + 1):
        if step == mishap_at and (what in EVERY_TIME or not run.resume):
            MISHAPS[what](events)
        total = (31 * total + step) % 1_000_003
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
        events.say("step", step=step, steps=STEPS, epoch=step / STEPS, loss=2 / step, lr=1e-3, grad_norm=1.0,
                   tokens=100 * step, tokens_per_second=1000.0, memory=5_000_000, device=0.5)  # fmt: skip
        if step % 2 == 0 or asked:
            events.say("evaluation", step=step, loss=2.5 / step)
            checkpoint = run.checkpoints / f"checkpoint-{step}"
            checkpoint.mkdir(parents=True, exist_ok=True)
            (checkpoint / "weights").write_bytes(bytes(1000 * [total % 256]))
            (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "total": total}))
            close_checkpoint(checkpoint)
        if asked:
            reason = "interrupted"
            break
    events.say("end", reason=reason, step=step, best_step=step, best_loss=0.3, seconds=2.6, tokens=100 * step,
               peak_memory=5_000_000, device=0.5)  # fmt: skip
    if reason == "interrupted":
        return
    parts = []
    for use, snapshot in enumerate(opened):
        ids = snapshot.frame("train")["id"]
        rows = [{"use": use, "snapshot": snapshot.id, "kind": "data", "id": each, "fate": "trained", "draws": 1,
                 "times": 1, "tokens": 5, "cut_tokens": 0, "lost_end": False} for each in ids]  # fmt: skip
        parts.append(pl.DataFrame(rows, schema=FATES))
    books = pl.concat(parts)
    books.head(books.height - (what == "lost_rows")).write_parquet(run.place / "accounting.parquet")
    run.candidate.mkdir(parents=True, exist_ok=True)
    (run.candidate / "model.safetensors").write_bytes(hashlib.sha256(str(total).encode()).digest())
    events.say("stage", name="saved", device="cpu")
    if what == "killed_after":
        os.kill(os.getppid(), signal.SIGKILL)  # the launcher


def _told(events: Events) -> None:
    error = UsageError("the rows are of no use", where="row 7", remedy="take others")
    events.say("error", code="UsageError", message=str(error), exit_code=1)
    sys.exit(1)


def _nan(events: Events) -> None:
    events.say("finding", code="nan", step=3, message="the loss is no number", remedy="lower it", severity="error")
    events.say("end", reason="nan", step=3, best_step=2, best_loss=1.0, seconds=1, tokens=300, peak_memory=1,
               device=0.5)  # fmt: skip
    sys.exit(0)


def _memory(events: Events) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    bytearray(4 << 30)


def _disk(events: Events) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp").joinpath(f"stand-in-{os.getpid()}").write_bytes(
        bytes(10_000)
    )


def _crash(events: Events) -> None:
    raise ValueError("a weight has the shape (3, 4)")


def _device(events: Events) -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


MISHAPS = {
    "kill": lambda events: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda events: ctypes.string_at(0),
    "told": _told,
    "nan": _nan,
    "memory": _memory,
    "device_memory": _device,
    "disk": _disk,
    "crash": _crash,
    "import": lambda events: __import__("no_such_package"),
    "silent": lambda events: sys.exit(0),
    "lost_rows": lambda events: None,
    "killed_after": lambda events: None,
}
EVERY_TIME = ("told", "nan", "memory")

if __name__ == "__main__":
    main(sys.argv[1])
