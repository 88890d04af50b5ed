"""Runs of `gate train` in tests, by a stand-in for the trainer or by the real one."""

from __future__ import annotations

from pathlib import Path

from gate.training.outcome import Trained, Watching
from gate.verbs import train as verb
from tests.training.made import Approved

STAND_IN = Path(__file__).with_name("stand_in.py")


def run_of_stand_in(approved: Approved, base: Path, **options: object) -> Trained:
    """`gate train` with a script that trains nothing."""
    return run_gate_train(approved, base, **{"script": STAND_IN} | options)


def run_gate_train(approved: Approved, base: Path, **options: object) -> Trained:
    """`gate train` of the approved snapshot on one CPU, signed by `ana`."""
    given: dict[str, object] = {
        "recipe": "lora", "launch": "cpu", "store": approved.store, "trust": approved.people.trust_file,
        "signer": approved.people.ana,
    }  # fmt: skip
    return verb.train(approved.name, base=base, **given | options)  # type: ignore[arg-type]


def resume(approved: Approved, name: str, watching: Watching | None = None, **options: object) -> Trained:
    """`gate train --resume`."""
    given: dict[str, object] = {
        "store": approved.store, "trust": approved.people.trust_file, "signer": approved.people.ana,
    }  # fmt: skip
    return verb.resume(name, watching=watching, **given | options)  # type: ignore[arg-type]
