"""Layers, targets and heads are found by structure, in architectures that call them by other names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.training.layers import chosen_layers, depths_of, layers_name, layers_of, short_names
from gate.training.methods import head_of, merged, with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.saving import load_candidate, save_candidate
from tests.training.tiny_models import ARCHITECTURES, batch, configs, logits_of, make_model, run_on, train


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("bases")
    return {name: make_model(name, place / name) for name in ARCHITECTURES}


def kinds(architecture: str, targets: str) -> set[str]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(configs()[architecture])
    return set(short_names(model, chosen_layers(model, targets)))


QKVO = {"q_proj", "k_proj", "v_proj", "o_proj"}


@pytest.mark.parametrize(
    ("architecture", "attention", "qv", "forward"),
    [
        ("qwen3", QKVO, {"q_proj", "v_proj"}, {"gate_proj", "up_proj", "down_proj"}),
        ("gemma2", QKVO, {"q_proj", "v_proj"}, {"gate_proj", "up_proj", "down_proj"}),
        ("phi", {"q_proj", "k_proj", "v_proj", "dense"}, {"q_proj", "v_proj"}, {"fc1", "fc2"}),
        ("gpt2", {"c_attn", "attn.c_proj"}, {"c_attn"}, {"c_fc", "mlp.c_proj"}),
        ("gpt_neox", {"query_key_value", "dense"}, {"query_key_value"}, {"dense_h_to_4h", "dense_4h_to_h"}),
        ("falcon", {"query_key_value", "dense"}, {"query_key_value"}, {"dense_h_to_4h", "dense_4h_to_h"}),
    ],
)
def test_targets_by_architecture(architecture: str, attention: set[str], qv: set[str], forward: set[str]) -> None:
    assert kinds(architecture, "attention") == attention
    assert kinds(architecture, "qv") == qv
    # `c_proj` alone stands for both of GPT-2's
    both = {each.rpartition(".")[2] for each in attention | forward}
    assert {each.rpartition(".")[2] for each in kinds(architecture, "all-linear")} == both


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_stand_above_the_embeddings_and_below_the_head(architecture: str) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(configs()[architecture])
    assert len(layers_of(model)) == 3
    assert head_of(model) in ("lm_head", "embed_out")
    depths = depths_of(model)
    assert depths.keys() == dict(model.named_parameters()).keys()
    embeddings = {name for name, depth in depths.items() if depth == 0}
    assert embeddings
    assert all("emb" in name or "wte" in name or "wpe" in name for name in embeddings)
    prefix = layers_name(model) + "."
    for name, depth in depths.items():
        if name.startswith(prefix):
            assert depth == int(name.removeprefix(prefix).split(".")[0]) + 1
        elif name not in embeddings:
            assert depth == 3, name


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "prefix", "ptuning", "full"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_methods_by_architecture(architecture: str, method: str, bases: dict[str, Path], tmp_path: Path) -> None:
    import torch

    run = run_on(bases[architecture], tmp_path, method=method, lr=1e-3, freeze_layers=1 if method == "lora" else 0)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    inputs = batch(tokenizer)
    first = logits_of(model, inputs)
    train(model, run, inputs)
    said = logits_of(model, inputs)
    assert not torch.equal(said, first)
    save_candidate(model, tokenizer, run)
    again, _ = load_candidate(run.candidate, bases[architecture])
    assert torch.equal(logits_of(again, inputs), said)
    if method in ("lora", "dora", "ia3"):
        difference = (logits_of(merged(again), inputs) - said).abs().max() / said.abs().max()
        assert float(difference) <= 4e-6


def test_a_quantised_layer_is_linear_too(bases: dict[str, Path], tmp_path: Path) -> None:
    run = run_on(bases["qwen3"], tmp_path, method="qlora")
    model = load_model(run, load_tokenizer(run))
    assert set(short_names(model, chosen_layers(model, "attention"))) == QKVO


def test_a_name_that_stands_for_nothing_lists_those_there_are(bases: dict[str, Path], tmp_path: Path) -> None:
    run = run_on(bases["gpt2"], tmp_path, method="lora", targets=["q_proj"])
    with pytest.raises(UsageError, match=r"`q_proj`(?s:.*)attn\.c_attn, attn\.c_proj, mlp\.c_fc, mlp\.c_proj"):
        with_method(load_model(run, load_tokenizer(run)), run)


def test_experts_are_not_left_out_silently() -> None:
    from transformers import AutoModelForCausalLM, MixtralConfig

    small = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    model = AutoModelForCausalLM.from_config(
        MixtralConfig(**small, num_attention_heads=2, num_key_value_heads=1, num_local_experts=4)
    )
    with pytest.raises(UsageError, match=r"experts\.\w+(?s:.*)targets=attention"):
        chosen_layers(model, "all-linear")
    assert set(short_names(model, chosen_layers(model, "attention"))) == QKVO


def test_a_model_without_layers_is_an_error_for_people() -> None:
    from torch import nn

    with pytest.raises(UsageError, match="cannot be told apart"):
        layers_of(nn.Linear(2, 2))
