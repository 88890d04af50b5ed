"""Guards: what they add to a loss, that it counts the same however a batch is divided, and what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gate.errors import UsageError
from gate.training.anchors import adapted, anchor
from gate.training.divergence import Divergence, causal, without_adapter
from gate.training.events import Events, read_events
from gate.training.fisher import Factors
from gate.training.guards import guarded
from tests.training.made import Approved, run_of
from trainers import sft

torch = pytest.importorskip("torch")
METHODS = ["lora", "rslora", "dora", "ia3"]


def train(folder: Path, base: Path, approved: Approved, **keys: object) -> dict[str, Any]:
    """Through the real script; what it told, by kind, and the weights it ended with (the last checkpoint's)."""
    from safetensors.torch import load_file

    run = run_of(folder, base, approved, **keys)
    sft.main(str(folder / "run.json"))
    told: dict[str, Any] = {}
    for event in read_events(folder)[0]:
        told.setdefault(event.kind, []).append(event.fields)
    last = max(run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    (weights,) = last.glob("*model.safetensors")
    return told | {"weights": load_file(weights), "run": run}


def loaded(base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base)


def moved(base: Path, method: str, by: float = 0.02) -> Any:
    """The tiny base under an adapter that has gone somewhere."""
    from peft import IA3Config, LoraConfig, get_peft_model

    torch.manual_seed(3)
    every = {"target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    config = (
        IA3Config(**every, feedforward_modules=["down_proj"])
        if method == "ia3"
        else LoraConfig(**every, r=4, lora_alpha=12, use_dora=method == "dora", use_rslora=method == "rslora")
    )
    model = get_peft_model(loaded(base), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * by)
    return model


def batch(base: Path) -> dict[str, Any]:
    """Three questions of several lengths, padded on the right; the answers are learned."""
    from transformers import AutoTokenizer

    from examples.tiny_base import _batch

    pairs = [("What is 2 plus 3?", "5"), ("What is the capital of Hungary?", "Budapest"), ("Why?", "no reason at all")]
    ids, mask, labels = _batch(AutoTokenizer.from_pretrained(base), pairs)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def by_hand(model: Any, base: Any, inputs: dict[str, Any]) -> Any:
    """KL(base || model) of every learned token, from whole logits."""
    plain = {key: value for key, value in inputs.items() if key != "labels"}
    learned = inputs["labels"][:, 1:] != -100
    length = learned.shape[1] + 1
    q = model(**plain).logits[:, -length:][:, :-1].log_softmax(-1)
    p = base(**plain).logits[:, :-1].log_softmax(-1).detach()
    return (p.exp() * (p - q)).sum(-1)[learned]


# --- KL ---


@pytest.mark.parametrize("method", METHODS)
def test_kl_is_that_of_whole_logits_and_so_is_its_gradient(tiny_base: Path, method: str) -> None:
    model, inputs = moved(tiny_base, method), batch(tiny_base)
    divergence = Divergence(model)
    with divergence.hidden() as states:
        model(**inputs)
    total, count = divergence.total(states[0], inputs)
    expected = by_hand(model, loaded(tiny_base), inputs)
    assert count == len(expected) == 15
    assert float(total.detach()) == pytest.approx(float(expected.sum()), rel=1e-4)
    parameters = [each for each in model.parameters() if each.requires_grad]
    ours, theirs = torch.autograd.grad(total, parameters), torch.autograd.grad(expected.sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_kl_to_a_frozen_copy(tiny_base: Path) -> None:
    model, base, inputs = loaded(tiny_base), loaded(tiny_base), batch(tiny_base)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    divergence = Divergence(model, base)
    with divergence.hidden() as states:
        model(**inputs)
    total, _ = divergence.total(states[0], inputs)
    assert float(total.detach()) == pytest.approx(float(by_hand(model, base, inputs).sum()), rel=1e-4)


def test_kl_knows_virtual_tokens(tiny_base: Path) -> None:
    from peft import PromptEncoderConfig, get_peft_model

    torch.manual_seed(0)
    model = get_peft_model(loaded(tiny_base), PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=5))
    inputs = batch(tiny_base)
    divergence = Divergence(model)
    with divergence.hidden() as states:
        model(**inputs)
    total, _ = divergence.total(states[0], inputs)
    expected = by_hand(model, loaded(tiny_base), inputs).sum()
    assert float(expected) > 0.1
    assert float(total.detach()) == pytest.approx(float(expected), rel=1e-3)


def test_kl_of_an_unknown_head_is_refused(tiny_base: Path) -> None:
    model, inputs = moved(tiny_base, "lora"), batch(tiny_base)
    causal(model).config.logit_scale = 0.5  # Llama does not heed it: what is worked out here would be something else
    divergence = Divergence(model)
    with divergence.hidden() as states:
        model(**inputs)
    with pytest.raises(UsageError, match="how LlamaForCausalLM makes its logits is not known"):
        divergence.total(states[0], inputs)


def test_kl_of_a_batch_that_learns_nothing_is_nothing(tiny_base: Path) -> None:
    model, inputs = moved(tiny_base, "lora"), batch(tiny_base)
    inputs["labels"] = torch.full_like(inputs["labels"], -100)
    divergence = Divergence(model)
    with divergence.hidden() as states:
        model(**inputs)
    total, count = divergence.total(states[0], inputs)
    assert (float(total.detach()), int(count)) == (0, 0)
    total.backward()


def test_switching_an_adapter_off_leaves_frozen_layers_frozen(tiny_base: Path) -> None:
    model = moved(tiny_base, "lora")
    frozen = [name for name, each in model.named_parameters() if ".layers.0." in name and each.requires_grad]
    for name, each in model.named_parameters():
        if name in frozen:
            each.requires_grad_(False)
    before = {name: each.requires_grad for name, each in model.named_parameters()}
    with without_adapter(model):
        pass
    assert frozen
    assert {name: each.requires_grad for name, each in model.named_parameters()} == before


# --- L2-SP and EWC ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_distance_of_an_adapter_is_that_of_the_product(tiny_base: Path, method: str, *, weighted: bool) -> None:
    model = moved(tiny_base, method)
    base = dict(loaded(tiny_base).named_parameters())
    names = [name for name, _ in adapted(model)]
    weights = {name: base[f"{name.removeprefix('base_model.model.')}.weight"] for name in names}
    importance = {
        name: Factors(torch.rand(len(weight)), torch.rand(weight.shape[1])) for name, weight in weights.items()
    }
    held = anchor(model, method, 3.0, "l2sp", importance if weighted else None)
    distance = held.pull()
    merged = dict(moved(tiny_base, method).merge_and_unload().named_parameters())
    expected = 0.0
    for name, weight in weights.items():
        squared = (merged[f"{name.removeprefix('base_model.model.')}.weight"] - weight).square()
        if weighted:
            squared = squared * importance[name].out[:, None] * importance[name].into
        expected += float(squared.sum())
    assert len(names) == 21
    assert float(distance) == pytest.approx(expected, rel=1e-3)
    assert float(held.penalty(distance)) == pytest.approx(1.5 * expected, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_pull_is_the_penaltys_gradient(tiny_base: Path, method: str) -> None:
    model = moved(tiny_base, method)
    held = anchor(model, method, 3.0, "l2sp")
    held.pull()
    gradients = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    name = next(name for name in gradients if "layers.1.mlp.down_proj" in name)
    gradient, parameter = gradients[name], model.get_parameter(name)
    step = 1e-2 * parameter.norm() / gradient.norm()
    around = []
    for way in (-1, 2):
        with torch.no_grad():
            parameter.add_(gradient, alpha=float(way * step))
        around.append(float(held.penalty(held.pull())))
    assert (around[1] - around[0]) / (2 * float(step)) == pytest.approx(float(gradient.square().sum()), rel=2e-2)


def test_the_distance_of_trained_weights_is_from_where_they_began(tiny_base: Path) -> None:
    model = loaded(tiny_base)
    held = anchor(model, "full", 2.0, "l2sp")
    assert float(held.pull()) == 0
    with torch.no_grad():
        model.model.norm.weight.add_(0.5)
    model.zero_grad(set_to_none=True)
    assert float(held.pull(scale=4.0)) == pytest.approx(128 * 0.25)
    torch.testing.assert_close(model.model.norm.weight.grad, torch.full((128,), 4.0 * 2.0 * 0.5))


def test_a_new_head_is_not_held(tiny_base: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tiny_base, num_labels=3)
    held = anchor(model, "full", 2.0, "l2sp")
    with torch.no_grad():
        model.score.weight.add_(1)
    assert float(held.pull()) == 0


@pytest.mark.parametrize("method", ["prefix", "ptuning", "head"])
def test_where_no_weight_moves_there_is_nothing_to_hold(tiny_base: Path, method: str) -> None:
    with pytest.raises(UsageError, match=f"l2sp: under `{method}` no weight of the base moves"):
        anchor(loaded(tiny_base), method, 1.0, "l2sp")


# --- In a trainer ---


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, approved: Approved) -> dict[str, Any]:
    return train(tmp_path_factory.mktemp("plain") / "run", tiny_base, approved, dropout=0.0)


def test_without_guards_training_is_the_librarys_own(
    plain: dict[str, Any], tmp_path: Path, tiny_base: Path, approved: Approved, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unguarded(trainer_class: Any) -> Any:
        return lambda *, run, events, **keys: trainer_class(**keys)

    monkeypatch.setattr(sft, "guarded", unguarded)
    alone = train(tmp_path / "run", tiny_base, approved, dropout=0.0)
    assert alone["weights"].keys() == plain["weights"].keys()
    for name, weight in alone["weights"].items():
        assert torch.equal(weight, plain["weights"][name]), name


GUARDS: dict[str, object] = {"kl": 0.3, "l2sp": 0.02, "clip": 1e9}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_guards_count_the_same_however_a_batch_is_divided(
    tmp_path: Path, tiny_base: Path, approved: Approved, method: str
) -> None:
    # SGD without clipping, whose steps are as the gradients: Adam's would hide a factor.
    keys = {**GUARDS, "method": method, "dropout": 0.0, "optimiser": "sgd", "lr": 0.02, "max_steps": 4, "log_every": 2}
    whole = train(tmp_path / "whole", tiny_base, approved, **keys, device_batch=16)
    parts = train(tmp_path / "parts", tiny_base, approved, **keys, device_batch=2)
    for one, other in zip(whole["step"], parts["step"], strict=True):
        for figure in ("loss", "task_loss", "kl", "l2sp"):
            assert other[figure] == pytest.approx(one[figure], rel=1e-3, abs=1e-6), figure
    assert whole["step"][-1]["kl"] > 0
    for name, weight in whole["weights"].items():
        torch.testing.assert_close(parts["weights"][name], weight, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
def test_guards_count_the_same_on_two_devices(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    from tests.training.test_trainers_processes import launched

    keys = {**GUARDS, "dropout": 0.0, "optimiser": "sgd", "lr": 0.02, "max_steps": 4, "log_every": 2}
    one = train(tmp_path / "one", tiny_base, approved, **keys, device_batch=16)
    two = launched(run_of(tmp_path / "two", tiny_base, approved, **keys, device_batch=8), 2)
    for figure in ("loss", "task_loss", "kl", "l2sp"):
        assert two.curve(figure) == pytest.approx([step[figure] for step in one["step"]], rel=1e-3, abs=1e-6), figure


def test_each_part_of_the_loss_is_told_and_they_add_up(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    told = train(tmp_path / "run", tiny_base, approved, **GUARDS)
    for step in told["step"]:
        whole = step["task_loss"] + 0.3 * step["kl"] + 0.02 / 2 * step["l2sp"]
        assert step["loss"] == pytest.approx(whole, rel=1e-4)
    assert told["step"][0]["kl"] == pytest.approx(0, abs=1e-5)  # B = 0: the model is the base
    assert told["step"][-1]["l2sp"] > 0


def test_validation_is_judged_by_the_plain_loss(
    tmp_path: Path, tiny_base: Path, approved: Approved, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = train(tmp_path / "run", tiny_base, approved, kl=1e6, lr=1e-9)
    assert told["evaluation"][0]["loss"] < 100
    assert "kl" not in told["evaluation"][0]


@pytest.mark.parametrize(("guard", "figure"), [({"kl": 3.0}, "kl"), ({"l2sp": 1.0}, "l2sp")])
def test_a_guard_holds_the_model(
    tmp_path: Path, tiny_base: Path, approved: Approved, guard: dict[str, object], figure: str
) -> None:
    free = train(tmp_path / "free", tiny_base, approved, **dict.fromkeys(guard, 1e-9))
    held = train(tmp_path / "held", tiny_base, approved, **guard)
    assert held["step"][-1][figure] < 0.5 * free["step"][-1][figure]


def test_a_run_that_goes_on_is_held_to_the_base_and_not_to_its_checkpoint(
    tmp_path: Path, tiny_base: Path, approved: Approved
) -> None:
    keys = {**GUARDS, "method": "full", "lr": 1e-4, "evaluate_every": 5}
    whole = train(tmp_path / "whole", tiny_base, approved, **keys, keep=2)
    run = whole["run"].model_copy(update={"folder": str(tmp_path / "again"), "resume": None})
    run.place.mkdir()
    run = run.model_copy(update={"resume": str(whole["run"].checkpoints / "checkpoint-5")})
    run.write()
    sft.main(str(run.place / "run.json"))
    again = [event.fields for event in read_events(run.place)[0] if event.kind == "step"]
    assert [each["step"] for each in again] == [6, 7, 8, 9, 10]
    for one, other in zip(whole["step"][5:], again, strict=True):
        assert {key: one[key] for key in ("loss", "kl", "l2sp")} == {key: other[key] for key in ("loss", "kl", "l2sp")}


def test_layers_learn_at_rates_of_their_own(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    told = train(tmp_path / "run", tiny_base, approved, method="full", layer_decay=0.5, lr=1e-3, max_steps=1, warmup=0)
    flat = train(tmp_path / "flat", tiny_base, approved, method="full", lr=1e-3, max_steps=1, warmup=0)
    base = loaded(tiny_base).state_dict()

    def gone(of: dict[str, Any], layer: int) -> float:
        name = f"model.layers.{layer}.mlp.down_proj.weight"
        return float((of["weights"][name] - base[name]).abs().mean())

    # Adam's first step is the rate, whatever the gradient.
    assert gone(told, 2) == pytest.approx(gone(flat, 2), rel=0.05)
    assert gone(told, 1) == pytest.approx(0.5 * gone(flat, 1), rel=0.05)
    assert gone(told, 0) == pytest.approx(0.25 * gone(flat, 0), rel=0.05)
    assert told["step"][0]["lr"] == pytest.approx(1e-3)


def test_kl_is_for_tokens(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    run = run_of(tmp_path / "run", tiny_base, approved)
    run = run.model_copy(update={"recipe": run.recipe.model_copy(update={"kl": 0.1, "objective": "dpo"})})
    with pytest.raises(UsageError, match="kl: is for sft and pretrain, not for dpo"):
        guarded(_Never)(run=run, events=Events(tmp_path), model=loaded(tiny_base))


class _Never:
    def __init__(self, **keys: object) -> None:
        raise AssertionError("the trainer was made")
