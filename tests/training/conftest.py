"""A tiny base, made once on a machine, and approved snapshots to train it on."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from examples import tiny_base as maker
from gate.provenance.keys import PrivateKey
from gate.store.objects import Store
from gate.store.places import cache_folder
from gate.verbs.admit import admit
from tests.snapshots.made import POLICY, People, approve, make_people, write_rows
from tests.training.made import Approved, additions

# One thread each: the suite runs in several processes, and the same numbers come out on any machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def tiny_base() -> Path:
    """The folder of examples/tiny_base.py's model (771,000 parameters), which knows its skills by heart.

    Kept in the user's cache under a digest of what makes it; never write into it (copy it).
    """
    source = Path(maker.__file__).read_bytes() + Path(maker.__file__).with_name("phrases.yaml").read_bytes()
    libraries = "".join(version(name) for name in ("torch", "transformers", "tokenizers"))
    digest = hashlib.sha256(source + libraries.encode()).hexdigest()[:16]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GATE_CACHE")
        place = cache_folder(Path("/")) / "tests" / f"tiny-base-{digest}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process makes it, the others wait
        if not (place / "config.json").exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            maker.make(unfinished)
            unfinished.rename(place)
    return place


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "quick.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def seal(people: People, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Approved]:
    """Admits rows (train, validation and test) as `ana`, and has `ben` approve them.

    seal(train, validation, test=…, name="task", store=None, approved=True) -> Approved; rows are records of any shape.
    `more` gives further files by name.
    """

    def make(
        train: Iterable[Mapping[str, object]],
        validation: Iterable[Mapping[str, object]] = (),
        test: Iterable[Mapping[str, object]] = (),
        *,
        name: str = "task",
        store: Path | None = None,
        approved: bool = True,
        signer: PrivateKey | None = None,
        more: Mapping[str, Iterable[Mapping[str, object]]] | None = None,
    ) -> Approved:
        folder = tmp_path_factory.mktemp(name)
        for split, rows in (("train", train), ("validation", validation), ("test", test)):
            if rows := list(rows):
                write_rows(folder / "data" / f"{split}.jsonl", rows)
        for file, others in (more or {}).items():
            write_rows(folder / "data" / file, others)
        place = store or folder / ".gate"
        made = admit(
            [folder / "data"], name=name, signer=signer or people.ana, trust=people.trust, policy=policy, report=False,
            store=place,
        )  # fmt: skip
        if approved:
            approve(made, people)
        return Approved(name, made.sealed.snapshot, Store(place), people)

    return make


@pytest.fixture(scope="session")
def approved(seal: Callable[..., Approved]) -> Approved:
    """An approved snapshot of 160 additions of numbers from 20 to 39, which the tiny base does not know; 20 to
    validate, 20 to test. Read only: a test that says something in the store makes its own with `seal`."""
    rows = additions(20, 40)
    return seal(rows[:160], rows[160:180], rows[180:200])
