"""A candidate's folder: what is in it, what is not, and that it is there whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.errors import InputError
from gate.training.base_files import check_base
from gate.training.methods import with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.model_files import hashed_files
from gate.training.run_file import Run
from gate.training.saving import load_candidate, read_candidate_file, save_candidate
from tests.training.tiny_models import batch, run_on, train

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Parts = tuple["PreTrainedModel", "PreTrainedTokenizerBase", Run]


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    run = run_on(tiny_base, tmp_path_factory.mktemp("adapter"), method="lora")
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    train(model, run, batch(tokenizer), steps=1)
    save_candidate(model, tokenizer, run)
    return model, tokenizer, run


@pytest.fixture(scope="module")
def whole(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    run = run_on(tiny_base, tmp_path_factory.mktemp("whole"), method="full")
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    train(model, run, batch(tokenizer), steps=1)
    save_candidate(model, tokenizer, run)
    return model, tokenizer, run


TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


def test_an_adapter_s_folder_holds_the_adapter_and_its_tokenizer(adapter: Parts) -> None:
    _, _, run = adapter
    files = {path.name for path in run.candidate.iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "gate.json", *TOKENIZER}
    assert [path.name for path in run.place.iterdir()] == ["candidate"]


def test_a_whole_model_s_folder_is_a_base_again(whole: Parts) -> None:
    _, _, run = whole
    files = {path.name for path in run.candidate.iterdir()}
    assert files == {"config.json", "model.safetensors", "generation_config.json", "gate.json", *TOKENIZER}
    assert check_base(str(run.candidate)).files == hashed_files(run.candidate)
    config = json.loads((run.candidate / "config.json").read_bytes())
    assert config["use_cache"] is True
    base = Path(run.base.path)
    for name in ("generation_config.json", *TOKENIZER - {"tokenizer_config.json"}):
        assert (run.candidate / name).read_bytes() == (base / name).read_bytes(), name


def test_it_says_what_it_stands_on_and_nothing_of_this_machine(adapter: Parts) -> None:
    _, _, run = adapter
    said = read_candidate_file(run.candidate)
    assert (said.kind, said.method, said.objective, said.precision) == ("causal", "lora", "sft", "fp32")
    assert said.base.digest == run.base.digest
    assert [each.snapshot for each in said.snapshots] == [each.snapshot for each in run.snapshots]
    for path in run.candidate.iterdir():
        content = path.read_bytes()
        assert str(Path(run.base.path).parent).encode() not in content, path.name
        assert str(run.place).encode() not in content, path.name
        assert path.stat().st_mode & 0o777 == 0o644


def test_the_last_use_of_the_tokenizer_leaves_no_trace(adapter: Parts, tmp_path: Path) -> None:
    model, tokenizer, run = adapter
    before = hashed_files(run.candidate)
    tokenizer(["a", "b c d"], padding=True, truncation=True, max_length=2)
    other = run.model_copy(update={"folder": str(tmp_path), "name": "another"})
    save_candidate(model, tokenizer, other)
    assert hashed_files(other.candidate) == before


def test_what_python_keeps_in_sets_is_written_in_order(adapter: Parts) -> None:
    said = json.loads((adapter[2].candidate / "adapter_config.json").read_bytes())
    assert said["target_modules"] == sorted(said["target_modules"])


@pytest.mark.slow
def test_the_same_training_gives_the_same_files_in_another_process(tiny_base: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from tests.training.tiny_models import *; from gate.training.model import *\n"
        "from gate.training.methods import *; from gate.training.saving import *\n"
        "run = run_on(Path(sys.argv[1]), Path(sys.argv[2]), method='lora'); tokenizer = load_tokenizer(run)\n"
        "model = with_method(load_model(run, tokenizer), run)\n"
        "train(model, run, batch(tokenizer)); save_candidate(model, tokenizer, run)"
    )
    found = []
    for seed in ("1", "2"):  # of Python's own sets
        folder = tmp_path / f"run-{seed}"
        subprocess.run(
            [sys.executable, "-c", code, str(tiny_base), str(folder)],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        found.append(hashed_files(folder / "candidate"))
    assert found[0] == found[1]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow past a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1000, 30_000, 200_000])
def test_on_a_full_disk_what_was_there_stays_and_nothing_half_written(
    size: int, adapter: Parts, tmp_path: Path
) -> None:
    model, tokenizer, run = adapter
    own = run.model_copy(update={"folder": str(tmp_path)})
    save_candidate(model, tokenizer, own)
    before = hashed_files(own.candidate)
    with room_for(size), pytest.raises(Exception, match=r"File too large|os error 27|Errno 27"):
        save_candidate(model, tokenizer, own)
    assert hashed_files(own.candidate) == before
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"]


@pytest.mark.parametrize("kind", ["adapter", "whole"])
def test_weights_that_were_gathered_from_several_devices(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, tokenizer, run = request.getfixturevalue(kind)
    own = run.model_copy(update={"folder": str(tmp_path)})
    gathered = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    save_candidate(model, tokenizer, own, state=gathered)
    assert hashed_files(own.candidate) == hashed_files(run.candidate)


def test_a_second_candidate_replaces_the_first(adapter: Parts, tmp_path: Path) -> None:
    model, tokenizer, run = adapter
    own = run.model_copy(update={"folder": str(tmp_path)})
    own.candidate.mkdir()
    (own.candidate / "left-over.bin").write_bytes(b"of an interrupted run")
    save_candidate(model, tokenizer, own)
    assert not (own.candidate / "left-over.bin").exists()


def test_a_model_of_the_hub_is_named_so_that_peft_finds_it(adapter: Parts, tmp_path: Path) -> None:
    model, tokenizer, run = adapter
    base = run.base.model_copy(update={"name": "owner/tiny@main", "revision": "0" * 40})
    own = run.model_copy(update={"folder": str(tmp_path), "base": base})
    save_candidate(model, tokenizer, own)
    said = json.loads((own.candidate / "adapter_config.json").read_bytes())
    assert (said["base_model_name_or_path"], said["revision"]) == ("owner/tiny", "0" * 40)


# --- What is not loaded ---


@pytest.fixture
def broken(adapter: Parts, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapter[2].candidate, tmp_path / "candidate"))


def test_an_adapter_needs_the_base_that_it_was_trained_on(broken: Path, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs its base"):
        load_candidate(broken)
    other = Path(shutil.copytree(tiny_base, tmp_path / "other"))
    content = bytearray((other / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="another base than the candidate was trained on"):
        load_candidate(broken, other)


def test_a_whole_candidate_needs_no_base(whole: Parts) -> None:
    assert load_candidate(whole[2].candidate)[1].chat_template


def test_a_folder_without_gate_json_is_no_candidate(tiny_base: Path, broken: Path) -> None:
    with pytest.raises(InputError, match="no candidate"):
        load_candidate(tiny_base)
    (broken / "gate.json").write_text('{"format": 9}', "utf-8")
    with pytest.raises(InputError, match="format"):
        load_candidate(broken, tiny_base)


def test_adapters_come_from_safetensors_only(broken: Path, tiny_base: Path) -> None:
    (broken / "adapter_model.safetensors").rename(broken / "adapter_model.bin")
    with pytest.raises(InputError, match="safetensors only"):
        load_candidate(broken, tiny_base)


def test_an_adapter_that_was_cut_off(broken: Path, tiny_base: Path) -> None:
    path = broken / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="10 bytes are missing"):
        load_candidate(broken, tiny_base)


@pytest.mark.parametrize("key", ["auto_mapping", "megatron_config"])
def test_an_adapter_imports_nothing(key: str, broken: Path, tiny_base: Path) -> None:
    path = broken / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), key: {"parent_library": "os"}}), "utf-8")
    with pytest.raises(InputError, match="names code to import"):
        load_candidate(broken, tiny_base)
