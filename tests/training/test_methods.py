"""Every method, on a real tiny base: what it trains, what it leaves alone, and that it comes back as it was saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.errors import GateError, MissingDependency, UsageError
from gate.training.methods import mergeable, merged, parameter_groups, trainable_parameters, with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.quantise import keep_precise
from gate.training.saving import load_candidate, save_candidate
from tests.training.tiny_models import batch, logits_of, run_on, train

if TYPE_CHECKING:
    import torch
    from torch import nn

METHODS = ("full", "lora", "qlora", "dora", "rslora", "prefix", "ptuning", "ia3")
ADAPTERS = METHODS[1:]


@contextmanager
def unchanged(model: nn.Module, names: set[str]) -> Iterator[None]:
    """The named weights are the same bytes afterwards, and all others moved."""
    import torch

    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    yield
    for name, weight in model.named_parameters():
        same = torch.equal(weight, before[name])
        assert same == (name in names), f"{name} {'stayed' if same else 'moved'}"


@pytest.mark.parametrize("method", METHODS)
def test_trained_saved_and_loaded_again_it_says_the_same_to_the_bit(
    method: str, tiny_base: Path, tmp_path: Path
) -> None:
    import torch

    run = run_on(tiny_base, tmp_path, method=method)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    inputs = batch(tokenizer)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    first = logits_of(model, inputs)
    with unchanged(model, frozen):
        losses = train(model, run, inputs, steps=20)  # a new prompt encoder's first steps may overshoot
    assert losses[-1] < losses[0] - 0.5
    trained = logits_of(model, inputs)
    assert not torch.allclose(trained, first, atol=1e-3)
    save_candidate(model, tokenizer, run)
    again, tokenizer_again = load_candidate(run.candidate, tiny_base)
    assert torch.equal(logits_of(again, inputs), trained)
    assert torch.equal(batch(tokenizer_again)["input_ids"], inputs["input_ids"])


@pytest.mark.parametrize("method", METHODS)
def test_merged_where_it_can_be_and_refused_in_words_where_it_cannot(
    method: str, tiny_base: Path, tmp_path: Path
) -> None:
    import torch

    run = run_on(tiny_base, tmp_path, method=method, lr=1e-3)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    inputs = batch(tokenizer)
    train(model, run, inputs)
    adapted = logits_of(model, inputs)
    if method == "qlora":
        with pytest.raises(UsageError, match="not merged into a quantised base"):
            merged(model)
        save_candidate(model, tokenizer, run)
        model, _ = load_candidate(run.candidate, tiny_base, full_precision=True)
        adapted = logits_of(model, inputs)
    if not mergeable(method):
        with pytest.raises(UsageError, match="cannot be merged into weights"):
            merged(model)
        return
    one = merged(model)
    assert not any("lora" in name or "ia3" in name for name, _ in one.named_parameters())
    difference = (logits_of(one, inputs) - adapted).abs().max() / adapted.abs().max()
    assert float(difference) <= 1e-5, "of the largest logit: rounding of fp32, and no more"
    assert torch.isfinite(adapted).all()


@pytest.mark.parametrize("method", ["lora", "dora", "rslora", "ia3"])
def test_before_the_first_step_the_model_is_the_base(method: str, tiny_base: Path, tmp_path: Path) -> None:
    import torch

    run = run_on(tiny_base, tmp_path, method=method)
    tokenizer = load_tokenizer(run)
    inputs = batch(tokenizer)
    base = logits_of(load_model(run, tokenizer), inputs)
    adapted = with_method(load_model(run, tokenizer), run)
    if method == "dora":  # which divides by a norm and multiplies by it again
        torch.testing.assert_close(logits_of(adapted, inputs), base, atol=1e-4, rtol=1e-5)
    else:
        assert torch.equal(logits_of(adapted, inputs), base)
    train(adapted, run, inputs, steps=1)
    with adapted.disable_adapter():
        assert torch.equal(logits_of(adapted, inputs), base), "the base is under the adapter, untouched"


@pytest.mark.parametrize("method", ADAPTERS)
def test_the_seed_draws_the_adapter_whatever_was_drawn_before(method: str, tiny_base: Path, tmp_path: Path) -> None:
    import torch

    drawn = []
    for other, seed in ((1, 0), (2, 0), (1, 7)):
        run = run_on(tiny_base, tmp_path, method=method, seed=seed)
        base = load_model(run, load_tokenizer(run))
        torch.manual_seed(other)
        model = with_method(base, run)
        drawn.append({name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad})
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])
    differ = any(not torch.equal(drawn[0][name], drawn[2][name]) for name in drawn[0])
    assert differ or method == "ia3", "IA3 begins at ones"


def test_how_many_numbers_are_trained(tiny_base: Path, tmp_path: Path) -> None:
    def counted(**keys: object) -> tuple[int, int]:
        run = run_on(tiny_base, tmp_path, **keys)
        return trainable_parameters(with_method(load_model(run, load_tokenizer(run)), run))

    hidden, inner, layers, rank, whole = 128, 384, 3, 8, 770_944
    linear = 4 * (hidden + hidden) + 3 * (hidden + inner)  # of a layer: the sum of both sides of its matrices
    assert counted(method="full") == (whole, whole)
    assert counted(method="lora") == (layers * rank * linear, whole + layers * rank * linear)
    assert counted(method="qlora") == counted(method="lora"), "numbers packed in 4 bits count"
    assert counted(method="lora", targets="attention")[0] == layers * rank * 4 * 2 * hidden
    assert counted(method="lora", targets="qv")[0] == layers * rank * 2 * 2 * hidden
    assert counted(method="lora", targets=["down_proj"])[0] == layers * rank * (hidden + inner)
    assert counted(method="lora", freeze_layers=2)[0] == rank * linear
    assert counted(method="dora")[0] == layers * (rank * linear + 5 * hidden + 2 * inner)
    assert counted(method="prefix", virtual_tokens=5)[0] == 5 * 2 * layers * hidden
    assert counted(method="ia3", targets=["k_proj", "v_proj", "down_proj"])[0] == layers * (2 * hidden + inner)


def test_frozen_lower_layers_do_not_move(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method="full", freeze_layers=2)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    low = ("model.embed_tokens.", "model.layers.0.", "model.layers.1.")
    with unchanged(model, {name for name, _ in model.named_parameters() if name.startswith(low)}):
        train(model, run, batch(tokenizer))


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_adapters_lie_above_the_frozen_layers_only(method: str, tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method=method, freeze_layers=2)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained
    assert all(".layers.2." in name for name in trained)
    inputs = batch(tokenizer)
    train(model, run, inputs)
    said = logits_of(model, inputs)
    save_candidate(model, tokenizer, run)
    assert logits_of(load_candidate(run.candidate, tiny_base)[0], inputs).equal(said)


def test_each_layer_learns_at_its_own_rate(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method="full", lr=1e-3, layer_decay=0.5, weight_decay=0.1)
    model = with_method(load_model(run, load_tokenizer(run)), run)
    names = {id(weight): name for name, weight in model.named_parameters()}
    found = {
        names[id(weight)]: (group["lr"], group["weight_decay"])
        for group in parameter_groups(model, run)
        for weight in group["params"]  # type: ignore[attr-defined]
    }
    assert found.keys() == set(names.values()), "every weight is in exactly one group"
    assert found["model.norm.weight"] == (1e-3, 0.0), "norms do not decay"
    assert found["model.layers.2.mlp.down_proj.weight"] == (1e-3, 0.1)
    assert found["model.layers.1.mlp.down_proj.weight"] == (5e-4, 0.1)
    assert found["model.layers.0.input_layernorm.weight"] == (2.5e-4, 0.0)
    assert found["model.embed_tokens.weight"] == (1.25e-4, 0.1)


def test_an_adapter_s_layers_have_their_rates_too(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method="dora", lr=1e-3, layer_decay=0.5, weight_decay=0.1)
    model = with_method(load_model(run, load_tokenizer(run)), run)
    groups = parameter_groups(model, run)
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (1e-3, 0.0), (1e-3, 0.1), (5e-4, 0.0), (5e-4, 0.1), (2.5e-4, 0.0), (2.5e-4, 0.1),
    ]  # fmt: skip
    trained = sum(weight.numel() for group in groups for weight in group["params"])  # type: ignore[attr-defined]
    assert trained == trainable_parameters(model)[0]


def test_accumulation_equals_the_large_batch(tiny_base: Path, tmp_path: Path) -> None:
    def gradients(sizes: tuple[int, ...]) -> dict[str, torch.Tensor]:
        run = run_on(tiny_base, tmp_path, method="lora", dropout=0.0)
        tokenizer = load_tokenizer(run)
        model = with_method(load_model(run, tokenizer), run)
        inputs = batch(tokenizer)
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        items = int((labels[:, 1:] != -100).sum())
        at = 0
        for size in sizes:
            part = {name: each[at : at + size] for name, each in inputs.items()}
            model(**part, labels=labels[at : at + size], num_items_in_batch=items).loss.backward()
            at += size
        return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}

    large, small = gradients((4,)), gradients((1, 1, 2))
    assert large.keys() == small.keys()
    for name in large:
        worst, largest = float((large[name] - small[name]).abs().max()), float(large[name].abs().max())
        assert worst <= 1e-4 * largest, f"{name}: rounding, in whatever order; a wrong weight would be off by a quarter"


def test_recomputing_activations_changes_no_gradient(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    def gradients(*, again: bool) -> list[torch.Tensor]:
        run = run_on(tiny_base, tmp_path, method="lora", dropout=0.0, checkpoint_activations=again)
        tokenizer = load_tokenizer(run)
        model = with_method(load_model(run, tokenizer), run)
        if again:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
        model.train()
        inputs = batch(tokenizer)
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        return [weight.grad for weight in model.parameters() if weight.requires_grad]

    for one, other in zip(gradients(again=False), gradients(again=True), strict=True):
        assert one is not None
        assert torch.equal(one, other)


@pytest.mark.parametrize("form", ["nf4", "int8"])
def test_a_quantised_base_trains_on_a_cpu(form: str, tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method="lora", quantisation=form, lr=1e-2)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer), run)
    kinds = {type(each).__name__ for name, each in model.named_modules() if name.endswith("q_proj.base_layer")}
    assert kinds == {{"nf4": "Linear4bit", "int8": "Linear8bitLt"}[form]}
    inputs = batch(tokenizer)
    losses = train(model, run, inputs, steps=5)
    assert losses[-1] < losses[0] - 0.1
    said = logits_of(model, inputs)
    save_candidate(model, tokenizer, run)
    assert logits_of(load_candidate(run.candidate, tiny_base)[0], inputs).equal(said)


def test_a_base_that_was_quantised_before_is_adapted_as_it_is(tiny_base: Path, tmp_path: Path) -> None:
    first = run_on(tiny_base, tmp_path / "first", method="qlora")
    tokenizer = load_tokenizer(first)
    packed = tmp_path / "packed"
    load_model(first, tokenizer).save_pretrained(packed)
    tokenizer.save_pretrained(packed)
    run = run_on(packed, tmp_path / "second", method="lora")
    model = with_method(load_model(run, tokenizer), run)
    inputs = batch(tokenizer)
    losses = train(model, run, inputs)
    assert losses[-1] < losses[0]
    said = logits_of(model, inputs)
    save_candidate(model, tokenizer, run)
    assert logits_of(load_candidate(run.candidate, packed)[0], inputs).equal(said)
    for method, says in (("full", "cannot be trained in full"), ("qlora", "quantised already(?s:.*)method=lora")):
        other = run_on(packed, tmp_path / method, method=method)
        with pytest.raises(UsageError, match=says):
            with_method(load_model(other, tokenizer), other)


def test_adapters_on_a_quantised_base_stay_in_fp32(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    run = run_on(tiny_base, tmp_path, method="qlora")
    model = with_method(load_model(run, load_tokenizer(run)), run)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in trained} == {torch.float32}
    for weight in trained:
        weight.data = weight.data.to(torch.bfloat16)  # as trl does
    keep_precise(model)
    assert {weight.dtype for weight in trained} == {torch.float32}


def test_in_4_bits_gradients_are_right_after_an_evaluation_too(tiny_base: Path, tmp_path: Path) -> None:
    """bitsandbytes repacks weights at an evaluation, on some CPUs, for a kernel without a gradient."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    run = run_on(tiny_base, tmp_path, method="qlora", dropout=0.0)
    tokenizer = load_tokenizer(run)
    packed = with_method(load_model(run, tokenizer), run)
    plain_run = run_on(tiny_base, tmp_path, method="lora", dropout=0.0)
    plain = with_method(load_model(plain_run, tokenizer), plain_run)
    plain_layers = dict(plain.named_modules())
    for name, module in packed.named_modules():
        if type(module).__name__ == "Linear4bit":  # the same numbers, spelt out
            plain_layers[name].weight.data = dequantize_4bit(module.weight.data, module.weight.quant_state)
    inputs = batch(tokenizer)
    logits_of(packed, inputs)
    for model in (packed, plain):
        model.train()
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
    wanted = dict(plain.named_parameters())
    for name, weight in packed.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, wanted[name].grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("method", ["head", "lora", "prefix", "full"])
@pytest.mark.parametrize(("kind", "labels"), [("classifier", ("no", "yes", "perhaps")), ("reward", ())])
def test_a_head_is_trained_and_comes_back(
    kind: str, labels: tuple[str, ...], method: str, tiny_base: Path, tmp_path: Path
) -> None:
    import torch

    objective = {"classifier": "classify", "reward": "reward"}[kind]
    run = run_on(tiny_base, tmp_path, method=method, objective=objective, lr=3e-3)
    tokenizer = load_tokenizer(run)
    model = with_method(load_model(run, tokenizer, kind=kind, labels=labels), run)  # type: ignore[arg-type]
    inputs = batch(tokenizer)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert any("score" in name for name in trained)
    assert method != "head" or trained == {"score.weight"}
    wanted = torch.tensor([0, 1, 2, 0]) if labels else torch.tensor([[0.0], [1.0], [2.0], [0.0]])
    optimiser = torch.optim.AdamW(parameter_groups(model, run))
    model.train()
    losses = []
    for _ in range(30):
        loss = model(**inputs, labels=wanted).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    said = logits_of(model, inputs)
    assert said.shape == (4, len(labels) or 1)
    save_candidate(model, tokenizer, run)
    again, _ = load_candidate(run.candidate, tiny_base)
    assert torch.equal(logits_of(again, inputs), said)
    assert not labels or tuple(again.config.id2label.values()) == labels


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        pytest.param({"method": "lora", "targets": ["c_attn"]}, "no linear layer.*c_attn.*q_proj", id="no such layer"),
        pytest.param({"method": "full", "freeze_layers": 3}, "has 3 layers, and 3 of them", id="nothing left"),
        pytest.param({"method": "head"}, "head of a classifier", id="a head without a class"),
        pytest.param({"method": "prefix", "packing": True}, "`prefix` does not go with `packing`", id="packed prefix"),
        pytest.param({"method": "ptuning", "freeze_layers": 1}, "`freeze_layers`", id="frozen p-tuning"),
        pytest.param({"method": "prefix", "checkpoint_activations": True}, "`checkpoint_act", id="prefix, recomputed"),
        pytest.param(
            {"method": "full", "quantisation": "nf4"}, "under `full` cannot be quantised", id="full in 4 bits"
        ),
        pytest.param({"method": "ia3", "quantisation": "int8"}, "under `ia3` cannot be quantised", id="IA3 in 8 bits"),
    ],
)
def test_what_does_not_go_together_is_refused(
    keys: dict[str, object], says: str, tiny_base: Path, tmp_path: Path
) -> None:
    run = run_on(tiny_base, tmp_path, **keys)
    with pytest.raises(GateError, match=f"(?s){says}"):
        with_method(load_model(run, load_tokenizer(run)), run)


def test_bottleneck_adapters_are_offered_by_no_library_here(tiny_base: Path, tmp_path: Path) -> None:
    run = run_on(tiny_base, tmp_path, method="adapter")
    with pytest.raises(MissingDependency, match=r"(?s)no maintained library.*lora"):
        with_method(load_model(run, load_tokenizer(run)), run)
