"""How a base comes into memory, and what keeps it out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from examples.tiny_base import make_tokenizer
from gate.errors import GateError, InputError, UsageError
from gate.training.base_files import base_hashes, check_base
from gate.training.methods import with_method
from gate.training.model import load_model, load_tokenizer, weights_dtype
from gate.training.model_files import model_digest
from gate.training.saving import load_candidate, save_candidate
from tests.training.made import base_use
from tests.training.tiny_models import batch, logits_of, make_model, run_of_base, run_on, train


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def edit(path: Path, **keys: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **keys}), "utf-8")


def test_it_answers_as_the_base_does(tiny_base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    run = run_on(tiny_base, tmp_path, method="full")
    tokenizer = load_tokenizer(run)
    inputs = batch(tokenizer)
    plain = AutoModelForCausalLM.from_pretrained(tiny_base)
    assert torch.equal(logits_of(load_model(run, tokenizer), inputs), logits_of(plain, inputs))


def test_frozen_weights_take_the_precision_of_the_computation(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    def dtypes(**keys: object) -> tuple[torch.dtype, torch.dtype]:
        run = run_on(tiny_base, tmp_path, **keys)
        weight = next(load_model(run, load_tokenizer(run)).parameters())
        return weights_dtype(run), weight.dtype

    assert dtypes(method="lora", precision="bf16") == (torch.bfloat16, torch.bfloat16)
    assert dtypes(method="full", precision="bf16") == (torch.float32, torch.float32)
    assert dtypes(method="lora", precision="auto") == (torch.float32, torch.float32), "on a CPU"


def test_fp16_needs_a_device_that_has_it(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("it is there")
    run = run_on(tiny_base, tmp_path, precision="fp16")
    with pytest.raises(GateError, match="fp16"):
        load_model(run, load_tokenizer(run))


def test_a_base_that_changed_after_the_check_is_not_loaded(base: Path, tmp_path: Path) -> None:
    run = run_on(base, tmp_path / "run")
    tokenizer = load_tokenizer(run)
    content = bytearray((base / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (base / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors has changed"):
        load_model(run, tokenizer)
    edit(base / "tokenizer_config.json", eos_token="<|user|>")
    with pytest.raises(InputError, match=r"tokenizer_config\.json has changed"):
        load_tokenizer(run)


def test_weights_that_are_nan_are_refused(base: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][3, 5] = torch.nan
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    for method in ("lora", "qlora"):
        run = run_on(base, tmp_path / method, method=method)
        with pytest.raises(UsageError, match=r"layers\.1\.mlp\.down_proj\.weight` holds NaN"):
            load_model(run, load_tokenizer(run))


def test_weights_that_are_missing_are_not_drawn_at_random(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    del weights["model.layers.2.self_attn.q_proj.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    run = run_on(base, tmp_path / "run")
    with pytest.raises(UsageError, match=r"layers\.2\.self_attn\.q_proj\.weight"):
        load_model(run, load_tokenizer(run))


def test_weights_of_another_shape_are_refused(base: Path, tmp_path: Path) -> None:
    edit(base / "config.json", intermediate_size=512)
    run = run_on(base, tmp_path / "run")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_model(run, load_tokenizer(run))


def test_an_architecture_that_nobody_knows(base: Path, tmp_path: Path) -> None:
    edit(base / "config.json", model_type="from-the-future")
    run = run_on(base, tmp_path / "run")
    with pytest.raises(UsageError, match=r"not known here(?s:.*)newer transformers"):
        load_model(run, load_tokenizer(run))


def test_a_tokenizer_that_is_broken(base: Path, tmp_path: Path) -> None:
    said = json.loads((base / "tokenizer.json").read_bytes())
    said["model"]["merges"] = [["never", "seen"]]
    (base / "tokenizer.json").write_text(json.dumps(said), "utf-8")
    run = run_on(base, tmp_path / "run")
    with pytest.raises(UsageError, match="its tokenizer cannot be loaded"):
        load_tokenizer(run)


def test_a_token_that_is_said_needs_a_row_in_the_embedding(base: Path, tmp_path: Path) -> None:
    run = run_on(base, tmp_path / "run")
    tokenizer = load_tokenizer(run)
    tokenizer.add_tokens(["<new>"])
    load_model(run, tokenizer)  # nothing says it
    tokenizer.chat_template = "<new>" + tokenizer.chat_template
    with pytest.raises(UsageError, match=r"1,024 rows, and none for '<new>'"):
        load_model(run, tokenizer)


def test_a_token_to_pad_with_is_found_and_never_added(base: Path, tmp_path: Path) -> None:
    path = base / "tokenizer_config.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_bytes()).items() if key != "pad_token"}), "utf-8"
    )
    tokenizer = load_tokenizer(run_on(base, tmp_path / "run"))
    assert (tokenizer.pad_token, len(tokenizer)) == ("<|pad|>", 1024)


def test_without_any_such_token_the_end_pads(tmp_path: Path, tiny_base: Path) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).write_text((base / name).read_text("utf-8").replace("<|pad|>", "<|hole|>"), "utf-8")
    edit(base / "tokenizer_config.json", pad_token=None)
    tokenizer = load_tokenizer(run_on(base, tmp_path / "run"))
    assert tokenizer.pad_token == tokenizer.eos_token == "<|end|>"
    edit(base / "tokenizer_config.json", eos_token=None)
    with pytest.raises(UsageError, match="no token to pad with"):
        load_tokenizer(run_on(base, tmp_path / "run"))


def test_a_template_that_the_user_named_stands_in(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path)
    named = run.model_copy(update={"base": base_use(tiny_base, template="{{ messages[0]['content'] }}!")})
    said = load_tokenizer(named).apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    assert said == "hello!"


OWN = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

Path(__file__).with_name("it-ran").write_text("")


class OwnConfig(LlamaConfig):
    model_type = "own-llama"


class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_a_base_s_own_python_runs_once_it_was_allowed(
    base: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import dynamic_module_utils

    modules = tmp_path / "modules"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    (base / "own.py").write_text(OWN, "utf-8")
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    edit(base / "config.json", model_type="own-llama", auto_map=own)
    with pytest.raises(InputError, match="brings its own Python"):
        check_base(str(base))
    files = base_hashes(base, code=True)
    allowed = check_base(str(base), allow_code=[f"{base}@{model_digest(files)}"])
    run = run_of_base(allowed, tmp_path / "run", method="lora")
    refused = run.model_copy(update={"base": allowed.model_copy(update={"remote_code": False})})
    with pytest.raises(UsageError, match="not known here"):
        load_model(refused, load_tokenizer(run_on(tiny_base, tmp_path / "plain")))
    assert not list(modules.rglob("it-ran"))
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    assert list(modules.rglob("it-ran"))
    inputs = batch(tokenizer)
    train(model, run, inputs)
    save_candidate(model, tokenizer, run)
    again, _ = load_candidate(run.candidate, base)
    assert torch.equal(logits_of(again, inputs), logits_of(model, inputs))
    whole = run_of_base(allowed, tmp_path / "whole", method="full")
    model = load_model(whole, tokenizer)
    save_candidate(model, tokenizer, whole)
    assert logits_of(load_candidate(whole.candidate, base)[0], inputs).equal(logits_of(model, inputs))
    (whole.candidate / "own.py").write_text(OWN + "# changed", "utf-8")
    with pytest.raises(UsageError, match="not known here"):
        load_candidate(whole.candidate, base)


def test_soft_caps_are_kept(tmp_path: Path) -> None:
    base = make_model("gemma2", tmp_path / "base")
    run = run_on(base, tmp_path / "run")
    assert load_model(run, load_tokenizer(run)).config._attn_implementation == "eager"


def test_the_seed_draws_a_new_head_whatever_was_drawn_before(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    heads = []
    for other, seed in ((1, 0), (2, 0), (1, 7)):
        run = run_on(tiny_base, tmp_path, objective="classify", seed=seed)
        torch.manual_seed(other)
        heads.append(load_model(run, load_tokenizer(run), kind="classifier", labels=("a", "b")).score.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_classifier_needs_two_classes(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, objective="classify")
    for labels in ((), ("one",), ("one", "one")):
        with pytest.raises(UsageError, match="two classes or more"):
            load_model(run, load_tokenizer(run), kind="classifier", labels=labels)


def test_the_tokenizer_of_the_tiny_models_is_the_tiny_base_s(tiny_base: Path, tmp_path: Path) -> None:
    made = make_tokenizer()
    tokenizer = load_tokenizer(run_on(tiny_base, tmp_path))
    assert tokenizer.get_vocab() == made.get_vocab()
