"""Whatever ends a process that admits, and whoever admits beside it: what is in the store is whole, and the next one
is right."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Ref
from gate.snapshots.exclusions import blocked
from gate.snapshots.reach import every_ref
from gate.snapshots.seal import Contents, seal
from gate.store.objects import Store, StoreError
from gate.verbs.snapshot import open_snapshot
from gate.verbs.store import checked
from tests.snapshots.made import Admit, People, approve, chats, write_rows, write_splits

PARENT = """
import os, sys
from pathlib import Path

import pyarrow.parquet
from gate.checks import load
from gate.provenance.keys import find_key
from gate.provenance.trust import load_trust
from gate.snapshots import division
from gate.verbs.admit import admit

data, store, policy, trust = sys.argv[1:]
signer, believed = find_key("ana"), load_trust(Path(trust))
signer.sign(b"what it imports")
load("structure"), load("exact_duplicates")


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())


class Told:
    sealing = False

    def __call__(self, stage, done, total):
        if stage == "sealing" and not self.sealing:
            self.sealing = True
            say("sealing")


say("ready")
while os.read(0, 1):
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.setsid()
    say(os.getpid())
    os.read(0, 1)
    done = admit(data, name="harbour", signer=signer, trust=believed, store=store, policy=policy, report=False,
                 on_stage=Told())
    say("done", done.number, done.snapshot)
    os._exit(0)
"""


class Admitting:
    """A process that has imported everything, and forks another one for each admission: it has started no thread of
    ours by then, and what a killed process costs is the admission and not its imports."""

    def __init__(self, *arguments: Path, keys: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, *map(os.fspath, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"GATE_KEYS": str(keys), "OPENBLAS_NUM_THREADS": "1"},
            bufsize=0,
        )
        assert self.line() == ["ready"]

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().split()

    def fork(self) -> int:
        """A process that is about to admit, and waits for `go`."""
        self.go()
        (child,) = self.line()
        return int(child)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"!")

    def until(self, word: str) -> list[str]:
        while (words := self.line())[0] != word:
            pass
        return words

    def drain(self) -> None:
        """Pass over what a process said that is gone."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while select.select([descriptor], [], [], 0)[0]:
            os.read(descriptor, 1 << 16)

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dozen files: some thirty objects."""
    folder = write_splits(tmp_path / "data", sizes=(20, 10, 10))
    for number in range(9):
        write_rows(folder / "train" / f"{number:02}.jsonl", chats(100 + number, 3))
    return folder


@pytest.fixture
def admitting(data: Path, people: People, policy: Path, tmp_path: Path) -> Iterator[Callable[[], Admitting]]:
    started: list[Admitting] = []

    def start() -> Admitting:
        started.append(Admitting(data, tmp_path / "store", policy, people.trust_file, keys=people.keys))
        return started[-1]

    yield start
    for each in started:
        each.close()


def assert_whole(root: Path) -> None:
    """What is there is what it says, and what statements and refs name is there."""
    store = Store(root)
    found = checked(store)
    assert [problem for problem in found.problems if problem.grave] == []
    ledger = Ledger(store)
    said = {statement.digest: statement for statement in ledger.all()}
    for ref in every_ref(ledger):
        assert isinstance(ref.about, Ref)
        admission = said[ref.about.statement].about
        assert isinstance(admission, Admission)
        assert admission.snapshot == ref.about.snapshot


def killed(admitting: Admitting, root: Path, times: int, seed: int) -> None:
    """Kill so many processes: two thirds at a random moment while they write, the others at one of the whole time."""
    admitting.fork()
    begun = time.monotonic()
    admitting.go()
    admitting.until("sealing")
    judging = time.monotonic() - begun
    admitting.until("done")
    writing = time.monotonic() - begun - judging
    shutil.rmtree(root)
    dice, written = random.Random(seed), 0
    for number in range(times):
        before = sum(1 for _ in root.rglob("*"))
        child = admitting.fork()
        admitting.go()
        if number % 3:
            admitting.until("sealing")
            time.sleep(dice.uniform(0, 0.9 * writing))
        else:
            time.sleep(dice.uniform(0, judging + writing))
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.killpg(child, signal.SIGKILL)
        while Path(f"/proc/{child}").exists():  # its parent has still to take note
            time.sleep(0.001)
        admitting.drain()
        written += sum(1 for _ in root.rglob("*")) != before
        if (root / "format.json").exists():
            assert_whole(root)
        if dice.random() < 0.7:  # otherwise the next one finds what this one left
            shutil.rmtree(root, ignore_errors=True)
    assert written >= times // 4


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_killed_at_any_moment(
    admitting: Callable[[], Admitting], admitted: Admit, people: People, data: Path, tmp_path: Path, times: int
) -> None:
    root = tmp_path / "store"
    killed(admitting(), root, times, seed=times)
    one = admitted(data)
    assert_whole(root)
    assert one.snapshot == admitted(data, store=tmp_path / "another").snapshot
    approve(one, people)
    assert open_snapshot("harbour", store=root, trust=people.trust).frame().height == one.admission.admitted


def test_two_that_admit_at_once(admitting: Callable[[], Admitting], tmp_path: Path) -> None:
    both = [admitting(), admitting()]
    for each in both:
        each.fork()
    for each in both:
        each.go()
    ends = sorted(each.until("done") for each in both)
    assert [number for _, number, _ in ends] == ["1", "2"]
    assert len({snapshot for _, _, snapshot in ends}) == 1
    assert_whole(tmp_path / "store")
    ledger = Ledger(Store(tmp_path / "store"))
    named = [ref.about.statement for ref in every_ref(ledger) if isinstance(ref.about, Ref)]
    assert len(set(named)) == 2


# No room, no permission


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_full_disk(admitted: Admit, data: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no room") as refused:
        admitted(data, store=tiny / "store")
    assert refused.value.exit_code == 2
    assert not list(tiny.rglob("*.tmp"))
    assert not list(tiny.rglob("refs/*/*"))
    assert not list(tiny.rglob("statements/*"))
    assert_whole(tiny / "store")


def test_a_file_that_may_not_grow(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train" / "large.jsonl", chats(7, 400, words=40))
    one = admitted(folder, store=tmp_path / "whole")
    corpus, findings = one.result.dataset.corpus(), one.result.findings
    contents = Contents(corpus, corpus.rows["split"], blocked(findings), findings, one.result.dataset.malformed, b"{}")
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
    try:
        with pytest.raises(StoreError, match="no room"):
            seal(Store.create(tmp_path / "store"), contents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert_whole(tmp_path / "store")
    assert not list((tmp_path / "store").rglob("*.tmp"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(admitted: Admit, data: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        admitted(data, store=tmp_path / "closed" / "store")


@pytest.mark.parametrize("place", ["file", "file/store"])
def test_a_store_where_a_file_lies(admitted: Admit, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        admitted(tmp_path / "there is no such data", store=tmp_path / place)


def test_a_disk_that_is_read_only(admitted: Admit, data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            admitted(data, store=disk / "store")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
