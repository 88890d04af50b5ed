"""Whatever ends a trainer is told in a sentence, with remedies worked out for the recipe; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.training.events import Events
from gate.training.history import read_history
from gate.training.mishaps import Ended, TrainingFailed, less_memory, why
from gate.training.runs import find_run
from tests.training.made import Approved, additions, recipe
from tests.training.ran import run_of_stand_in

LAUNCHER = """Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/env/site-packages/accelerate/commands/launch.py", line 1418, in <module>
    main()
subprocess.CalledProcessError: Command '['python', 'sft.py', 'run.json']' """
"""What `accelerate launch` prints after its trainer has failed."""


@pytest.fixture
def ended(tmp_path: Path) -> Callable[..., Ended]:
    """How a run ended, by its log and its events."""

    def make(log: str, exit_code: int = 1, **keys: object) -> Ended:
        (tmp_path / "log.txt").write_text(log, encoding="utf-8")
        return Ended(exit_code, read_history(tmp_path), tmp_path, recipe(**keys), context=2048)

    return make


@pytest.mark.parametrize(
    ("log", "code", "said"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB", "device_memory", "the device ran"),
        ("RuntimeError: CUDA error: out of memory", "device_memory", "the device ran"),
        ("RuntimeError: MPS backend out of memory (MPS allocated: 9 GB)", "device_memory", "the device ran"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you", "memory", "memory ran out"),
        ("MemoryError", "memory", "memory ran out"),
        (LAUNCHER + "died with <Signals.SIGKILL: 9>.", "killed", "was killed (signal 9)"),
        ("  exitcode  : -9 (pid: 77)\n  error_file: <N/A>", "killed", "was killed (signal 9)"),
        ("OSError: [Errno 28] No space left on device: 'optimizer.pt'", "disk_full", "no room left on the disk"),
        ("safetensors_rust.SafetensorError: I/O error: No space left on device (os error 28)", "disk_full", "no room"),
        ("RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0", "disk_full", "no room"),
        ("ModuleNotFoundError: No module named 'bitsandbytes.nn'", "missing_package", "needs the package bitsandbytes"),
        (LAUNCHER + "died with <Signals.SIGSEGV: 11>.", "crashed", "crashed (SIGSEGV)"),
        ("RuntimeError: CUDA error: device-side assert triggered", "device", "the device failed"),
        ("torch.distributed.DistBackendError: NCCL internal error: unhandled", "device", "the device failed"),
        ("ValueError: a shape is wrong\n" + LAUNCHER + "returned non-zero", "crashed", "ValueError: a shape is wrong"),
        ("nothing in particular", "crashed", "the trainer failed"),
    ],
)  # fmt: skip
def test_what_it_was_is_read_from_what_it_printed(ended: Callable[..., Ended], log: str, code: str, said: str) -> None:
    failed = why(ended(log))
    assert (failed.code, failed.exit_code) == (code, 4)
    assert said in failed.what
    assert "log.txt" in str(failed)
    assert "accelerate" not in str(failed)


def test_a_script_that_says_nothing_is_told(ended: Callable[..., Ended]) -> None:
    assert why(ended("", exit_code=0)).code == "silent"


def test_what_the_trainer_itself_tells_is_handed_on(ended: Callable[..., Ended], tmp_path: Path) -> None:
    Events(tmp_path).say("error", code="Intolerable", message="3 rows of task would be dropped: ab12", exit_code=1)
    failed = why(ended("MemoryError"))
    assert (str(failed), failed.exit_code) == ("3 rows of task would be dropped: ab12", 1)


def test_nan_fails_on_its_merits(ended: Callable[..., Ended], tmp_path: Path) -> None:
    Events(tmp_path).say("step", step=6, loss=float("nan"))
    Events(tmp_path).say("end", reason="nan", step=7)
    failed = why(ended("", exit_code=0, lr=1e-3, warmup=0.0, clip=5.0))
    assert (failed.code, failed.exit_code) == ("nan", 1)
    assert "--set lr=0.0001 --set clip=1.0 --set warmup=0.1" in str(failed)
    assert "at step 7" in failed.what


def test_values_of_the_data_are_masked(ended: Callable[..., Ended]) -> None:
    failed = why(ended("ValueError: cannot parse jane.doe@corporate-mail.com"))
    assert "jane.doe@corporate-mail.com" not in str(failed)


@pytest.mark.parametrize(
    ("keys", "wanted", "unwanted"),
    [
        ({"device_batch": 8, "batch": 16}, "--set device_batch=4", "--recipe lora,"),
        ({"device_batch": 3, "batch": 3}, "--set device_batch=1", "device_batch=2"),
        ({"device_batch": 1, "batch": 16}, "--set checkpoint_activations=true", "device_batch"),
        ({"checkpoint_activations": True, "max_length": 512}, "--set max_length=256", "checkpoint_activations=true"),
        ({"max_length": 4096}, "--set max_length=512", "max_length=2048"),
        ({"method": "lora"}, "--recipe qlora", "--recipe lora,"),
        ({"method": "qlora", "quantisation": "nf4"}, "device_batch", "--recipe qlora"),
        ({"method": "full"}, "--recipe lora, or --recipe qlora", "kept in 4"),
        ({"method": "full", "optimiser": "adamw"}, "--set optimiser=adamw_8bit", "kept in 4"),
    ],
)
def test_remedies_are_those_that_the_recipe_has_left(
    ended: Callable[..., Ended], keys: dict[str, object], wanted: str, unwanted: str
) -> None:
    told = "\n".join(less_memory(ended("", **keys)))
    assert wanted in told
    assert unwanted not in told


def test_every_smaller_batch_divides_the_whole_one(ended: Callable[..., Ended]) -> None:
    for batch in range(2, 33):
        for device in [n for n in range(2, batch + 1) if batch % n == 0]:
            told = less_memory(ended("", batch=batch, device_batch=device))[0]
            smaller = int(told.split("device_batch=")[1])
            assert smaller < device
            assert batch % smaller == 0


# --- As they really happen ---


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:
    rows = additions(20, 40)
    return seal(rows[:120], rows[120:140], rows[140:160], name="mishaps")


@pytest.mark.parametrize(
    ("mishap", "code", "stands"),
    [
        ("memory:3", "memory", "failed"),
        ("disk:3", "disk_full", "interrupted"),
        ("segfault:3", "crashed", "failed"),
        ("import:3", "missing_package", "failed"),
        ("told:3", "told", "failed"),
        ("nan:3", "nan", "failed"),
    ],
)
def test_a_real_mishap_is_told_and_leaves_what_there_was(
    own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, mishap: str, code: str, stands: str
) -> None:
    monkeypatch.setenv("STAND_IN", mishap)
    with pytest.raises(TrainingFailed) as failed:
        run_of_stand_in(own, tiny_base, name=f"after-{code.replace('_', '-')}")
    assert failed.value.code == code
    run = find_run(own.store.root, f"after-{code.replace('_', '-')}")
    assert (run.stands, run.state.message) == (stands, str(failed.value))
    assert (run.folder / "checkpoints" / "checkpoint-2").is_dir()
    assert run.state.statement is None
