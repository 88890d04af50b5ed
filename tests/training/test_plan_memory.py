"""The memory of a plan: against what tensors really take, against the guides, and as arithmetic that holds anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.training.base_facts import BaseFacts
from gate.training.plan_memory import PARTS, memory, trainable
from gate.training.plan_shape import Shape, shape_of, shaped
from gate.training.recipe import Recipe
from gate.training.run_file import Run
from tests.training.made import Approved, run_of

# Small, and each of another kind: a Llama whose keys have a head each and whose embedding is its head; a Mistral of two
# wide layers with shared keys and a head of its own; a deep and narrow Qwen3 that norms its queries and keys.
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 4, "vocab_size": 1024, "tie_word_embeddings": True,
    },
    "mistral": {
        "hidden_size": 256, "intermediate_size": 896, "num_hidden_layers": 2, "num_attention_heads": 8,
        "num_key_value_heads": 2, "vocab_size": 4096, "tie_word_embeddings": False, "sliding_window": None,
    },
    "qwen3": {
        "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 10, "num_attention_heads": 4, "head_dim": 32,
        "num_key_value_heads": 2, "vocab_size": 1024, "tie_word_embeddings": True,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def base_of(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a random model of one of the shapes, with the tiny base's tokenizer."""
    made: dict[str, Path] = {}

    def base(name: str) -> Path:
        if name not in made:
            from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

            folder = tmp_path_factory.mktemp(name)
            config = AutoConfig.for_model(name, max_position_embeddings=1024, dtype="float32", **SHAPES[name])
            AutoModelForCausalLM.from_config(config).save_pretrained(folder)
            AutoTokenizer.from_pretrained(tiny_base).save_pretrained(folder)
            made[name] = folder
        return made[name]

    return base


def peak_bytes(run: Run, lengths: tuple[int, int]) -> int:
    """The most bytes of tensors alive at once in two optimiser steps of a real trainer, with the weights."""
    import torch
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from gate.training.arguments import training_arguments
    from gate.training.methods import with_method
    from gate.training.model import load_model, load_tokenizer
    from gate.training.quantise import keep_precise
    from gate.training.tensor_bytes import measured

    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    rows = []
    for at in range(2 * run.recipe.batch):
        ids = torch.randint(10, 900, (lengths[at % 2],)).tolist()
        rows.append({"input_ids": ids, "labels": ids})
    arguments = training_arguments(
        run,
        SFTConfig,
        max_length=None,
        eval_strategy="no",
        save_strategy="no",
        load_best_model_at_end=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    keep_precise(model)  # as gate's own trainers do
    with measured(model) as peak:
        trainer.train()
    return peak.most


CASES = [
    pytest.param(shape, method, size, length, kept, marks=() if kept else pytest.mark.slow)
    for shape in SHAPES
    for method in ("full", "lora")
    for size, length, kept in ((2, 96, False), (3, 160, True))
]


@pytest.mark.parametrize(("shape", "method", "size", "length", "kept"), CASES)
def test_it_is_within_15_percent_of_what_tensors_take(
    shape: str, method: str, size: int, length: int, kept: bool, base_of: Callable[[str], Path], approved: Approved,
    tmp_path: Path,
) -> None:  # fmt: skip
    """On a CPU, in fp32. Without the head's tiles too, which are the largest part of models as small as these."""
    batch = 2 * size if kept else size
    run = run_of(
        tmp_path / "run", base_of(shape), approved, method=method, batch=batch, device_batch=size, max_steps=2,
        evaluate_every=100, samples=0, **({"rank": 8} if method == "lora" else {}),
    )  # fmt: skip
    real = peak_bytes(run, (length, length - 7))
    found = memory(shape_of(Path(run.base.path)), run.recipe, length, "cpu", padded=True)
    assert found.total == pytest.approx(real, rel=0.15)
    tiles = found.peak.parts.get("logits", 0)
    assert found.total - tiles == pytest.approx(real - tiles, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [
        {"method": "full", "checkpoint_activations": True},
        {"method": "lora", "checkpoint_activations": True},
        {"method": "lora", "dropout": 0.0},
        {"method": "lora", "targets": "qv"},
        {"method": "dora"},
        {"method": "ia3", "targets": "all-linear"},
        {"method": "prefix"},
        {"method": "ptuning"},
        {"method": "qlora"},
    ],
    ids=lambda keys: "-".join(map(str, keys.values())),
)
def test_so_is_every_other_method(
    keys: dict[str, Any], base_of: Callable[[str], Path], approved: Approved, tmp_path: Path
) -> None:
    run = run_of(
        tmp_path / "run", base_of("qwen3"), approved, batch=8, device_batch=4, max_steps=2, evaluate_every=100,
        samples=0, **keys,
    )  # fmt: skip
    real = peak_bytes(run, (128, 121))
    found = memory(shape_of(Path(run.base.path)), run.recipe, 128, "cpu", padded=True)
    assert found.total == pytest.approx(real, rel=0.15)


@pytest.mark.parametrize("method", ["full", "lora", "dora", "rslora", "prefix", "ptuning", "ia3"])
def test_the_parameters_that_learn_are_those_of_the_method(
    method: str, base_of: Callable[[str], Path], approved: Approved, tmp_path: Path
) -> None:
    from gate.training.methods import trainable_parameters, with_method
    from gate.training.model import load_model, load_tokenizer

    for name in ("llama", "mistral"):
        run = run_of(tmp_path / name, base_of(name), approved, method=method)
        model = with_method(load_model(run, load_tokenizer(run)), run)
        learned, total = trainable_parameters(model)
        shape = shape_of(Path(run.base.path))
        assert trainable(shape, run.recipe) == learned
        assert shape.facts.parameters == (total if method == "full" else total - learned)


def test_a_device_with_a_gpu_is_checked_where_there_is_one(
    base_of: Callable[[str], Path], approved: Approved, tmp_path: Path
) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU on this machine: peak device memory was not compared with the plan")
    run = run_of(
        tmp_path / "run", base_of("mistral"), approved, batch=16, device_batch=16, max_steps=2, evaluate_every=100,
        samples=0, precision="bf16",
    )  # fmt: skip
    torch.cuda.reset_peak_memory_stats()
    peak_bytes(run, (512, 505))
    found = memory(shape_of(Path(run.base.path)), run.recipe, 512, "gpu", padded=True)
    assert found.total == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.15)


# --- Arithmetic ---


def facts(**keys: Any) -> BaseFacts:
    """A Llama of 7 billion parameters, unless it is said otherwise."""
    said: dict[str, Any] = {
        "architecture": "LlamaForCausalLM", "model_type": "llama", "parameters": 7_000_000_000, "counted": True,
        "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 32, "head_dim": 128, "intermediate": 11008,
        "gated": True, "experts": 1, "experts_used": 1, "vocabulary": 32000, "context": 4096, "dtype": "float16",
        "tied": False, "quantised": None, "licence": None, "bytes": 14_000_000_000,
    }  # fmt: skip
    return BaseFacts(**{**said, **keys})


def recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate_json(
        json.dumps({"version": 1, "objective": "sft", "method": "lora", "batch": 64, "device_batch": 4, **keys})
    )


def test_the_guides_worked_example_is_reproduced() -> None:
    """7B in fp32 with Adam: weights 28 + gradients 28 + optimiser 56 GB (G2), which adds 8 GB of activations."""
    found = memory(shaped(facts(), {}), recipe(method="full", precision="fp32", device_batch=64), 512)
    at_rest = next(each for each in found.moments if each.name == "update")
    assert dict(at_rest.parts) == {"weights": 28 * 10**9, "gradients": 28 * 10**9, "optimiser": 56 * 10**9}


def test_mixed_precision_takes_18_bytes_a_parameter() -> None:
    """fp32 weights and a 16-bit copy, fp32 gradients, two fp32 moments (Micikevicius et al. 2018)."""
    found = memory(shaped(facts(), {}), recipe(method="full", precision="bf16"), 8)
    backward = next(each for each in found.moments if each.name == "backward")
    held = sum(backward.parts[part] for part in ("weights", "gradients", "optimiser"))
    assert held == pytest.approx(18 * 7e9, rel=0.02)  # and the head's gradient while it is made


def test_nf4_takes_half_a_byte_a_weight_and_its_constants_an_eighth_of_a_bit() -> None:
    """Dettmers et al. 2023, sec. 3: constants of 0.5 bits a parameter become 0.127 when they are quantised too."""
    shape = shaped(facts(), {})
    rest = shape.facts.parameters - shape.quantisable  # the embedding, the head and norms stay in 16 bits
    once = memory(shape, recipe(method="qlora", quantisation="nf4", double_quantisation=False), 8).peak.parts
    twice = memory(shape, recipe(method="qlora", quantisation="nf4"), 8).peak.parts
    adapter = 4 * trainable(shape, recipe(method="qlora", quantisation="nf4"))
    assert once["weights"] == shape.quantisable / 2 + 2 * rest + adapter
    assert once["quantisation constants"] * 8 / shape.quantisable == pytest.approx(0.5, rel=0.01)
    assert twice["quantisation constants"] * 8 / shape.quantisable == pytest.approx(0.127, rel=0.01)


shapes = st.builds(
    lambda layers, hidden, heads, shared, inner, words, gated, tied: shaped(
        _consistent(layers, 64 * hidden, heads, shared, 64 * inner, words, gated, tied), {}
    ),
    layers=st.integers(1, 80),
    hidden=st.integers(1, 128),
    heads=st.sampled_from([4, 8, 32]),
    shared=st.sampled_from([1, 2, 4]),
    inner=st.integers(1, 448),
    words=st.integers(100, 200_000),
    gated=st.booleans(),
    tied=st.booleans(),
)
devices = st.sampled_from(["gpu", "cpu"])
bases = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["full", "lora", "qlora", "dora", "rslora", "prefix", "ia3", "ptuning", "head"]),
        "objective": st.sampled_from(["sft", "pretrain", "dpo", "orpo", "kto", "classify", "reward"]),
        "precision": st.sampled_from(["auto", "fp32", "bf16"]),
        "optimiser": st.sampled_from(["adamw", "adamw_8bit", "sgd"]),
        "checkpoint_activations": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.1]),
        "device_batch": st.integers(1, 16),
    }
)
quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _consistent(
    layers: int, hidden: int, heads: int, shared: int, inner: int, words: int, gated: bool, tied: bool
) -> BaseFacts:
    """Facts whose parameters are those of their shape."""
    width, key = heads * 64, heads // shared * 64
    attention = hidden * (2 * width + 2 * key)
    layer = attention + (3 if gated else 2) * hidden * inner + 2 * hidden
    parameters = layers * layer + hidden + words * hidden * (1 if tied else 2)
    return facts(
        layers=layers, hidden=hidden, heads=heads, kv_heads=heads // shared, head_dim=64, intermediate=inner,
        vocabulary=words, gated=gated, tied=tied, parameters=parameters,
    )  # fmt: skip


@quiet
@given(shapes, bases, devices, st.integers(1, 4096), st.booleans())
def test_parts_add_up_at_every_moment(shape: Shape, keys: dict[str, Any], device: Any, length: int, pad: bool) -> None:
    found = memory(shape, recipe(**keys), length, device, padded=pad)
    assert all(sum(each.parts.values()) == each.total for each in found.moments)
    assert all(set(each.parts) <= set(PARTS) and min(each.parts.values()) > 0 for each in found.moments)
    assert found.total == max(each.total for each in found.moments)
    assert found.total <= sum(found.largest.values())


@quiet
@given(shapes, bases, devices, st.integers(1, 4096), st.integers(1, 16))
def test_more_examples_at_once_never_take_less(
    shape: Shape, keys: dict[str, Any], device: Any, length: int, more: int
) -> None:
    few = memory(shape, recipe(**keys), length, device)
    many = memory(shape, recipe(**keys | {"device_batch": min(keys["device_batch"] + more, 63)}), length, device)
    assert many.total >= few.total


@quiet
@given(shapes, bases, devices, st.integers(1, 4096), st.integers(1, 4096))
def test_longer_examples_never_take_less(
    shape: Shape, keys: dict[str, Any], device: Any, length: int, more: int
) -> None:
    assert (
        memory(shape, recipe(**keys), length + more, device).total
        >= memory(shape, recipe(**keys), length, device).total
    )


@quiet
@given(
    st.integers(1, 40),
    st.integers(1, 64),
    st.integers(1, 200),
    bases,
    devices,
    st.sampled_from(["layers", "hidden", "inner"]),
)
def test_more_parameters_never_take_less(
    layers: int, hidden: int, inner: int, keys: dict[str, Any], device: Any, grows: str
) -> None:
    def total(layers: int, hidden: int, inner: int) -> int:
        shape = shaped(_consistent(layers, 64 * hidden, 8, 2, 64 * inner, 1000, True, False), {})
        return memory(shape, recipe(**keys), 256, device).total

    grown = total(layers + (grows == "layers"), hidden + (grows == "hidden"), inner + (grows == "inner"))
    assert grown >= total(layers, hidden, inner)


@quiet
@given(
    shapes.filter(lambda shape: shape.facts.hidden >= 512 and shape.facts.intermediate >= 512),
    st.integers(1, 1024), st.integers(1, 8), devices,
)  # fmt: skip
def test_qlora_takes_less_than_lora_and_lora_less_than_full(shape: Shape, length: int, size: int, device: Any) -> None:
    """With recomputing, which leaves weights, gradients and moments to compare: what LoRA keeps of activations can be
    more than what full fine-tuning does, for each adapter drops by itself."""
    keys = {"device_batch": size, "checkpoint_activations": True, "precision": "bf16", "rank": 8, "dropout": 0.0}
    qlora, lora, full = (
        memory(shape, recipe(method=method, **keys), length, device) for method in ("qlora", "lora", "full")
    )
    assert qlora.peak.parts["weights"] < lora.peak.parts["weights"] < full.peak.parts["weights"]
    at_rest = [next(each for each in found.moments if each.name == "update").total for found in (qlora, lora, full)]
    assert at_rest[0] < at_rest[1] < at_rest[2]


def test_without_recomputing_a_7b_model_takes_what_the_guides_say() -> None:
    """G5: full 28-56, LoRA 16-24, QLoRA 6-12 GB; G2: full 120 GB in fp32."""
    shape = shaped(facts(), {})
    full = memory(shape, recipe(method="full", precision="fp32", device_batch=1), 512).total
    lora, qlora = (
        memory(shape, recipe(method=method, device_batch=1, precision="bf16"), 512).total
        for method in ("lora", "qlora")
    )
    assert full == pytest.approx(120e9, rel=0.05)
    assert 16e9 < lora < 24e9
    assert 6e9 < qlora < 12e9
