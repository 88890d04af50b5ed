"""The Fisher information: against squared gradients by hand, stored and read back, and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gate.errors import GateError, UsageError
from gate.training.anchors import anchor
from gate.training.events import read_events
from gate.training.fisher import FILE, estimate
from tests.training.made import Approved, run_of
from trainers import sft

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_base)


@pytest.fixture(scope="module")
def examples(tiny_base: Path) -> list[dict[str, Any]]:
    from transformers import AutoTokenizer

    from examples.tiny_base import _batch

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    pairs = [("What is 2 plus 3?", "5"), ("What is the capital of Hungary?", "Budapest"), ("Why is that?", "no reason")]
    made = []
    for pair in pairs:
        ids, _, labels = _batch(tokenizer, [pair])
        made.append({"input_ids": ids, "labels": labels})
    return made


def test_the_diagonal_is_the_mean_of_squared_gradients(base: Any, examples: list[dict[str, Any]]) -> None:
    found = estimate(base, examples, seed=0, labels="given")
    name = "model.layers.1.mlp.down_proj.weight"
    expected = torch.zeros_like(base.get_parameter(name))
    for each in examples:
        base.zero_grad()
        logits = base(input_ids=each["input_ids"]).logits[0, :-1]
        torch.nn.functional.cross_entropy(logits, each["labels"][0, 1:], reduction="sum").backward()
        expected += base.get_parameter(name).grad.square() / len(examples)
    base.zero_grad()
    assert set(found) == {name for name, _ in base.named_parameters()}
    torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-9)


def test_the_true_one_is_the_models_own_expectation(base: Any, examples: list[dict[str, Any]]) -> None:
    """By hand: over every label of one token, its chance times its squared gradient; by draws, on the average."""
    one = {"input_ids": examples[2]["input_ids"], "labels": examples[2]["labels"].clone()}
    (learned,) = torch.where(one["labels"][0] != -100)
    one["labels"][0, learned[1:]] = -100
    weight = base.model.norm.weight
    logits = base(input_ids=one["input_ids"]).logits[0, learned[0] - 1].log_softmax(-1)
    (each,) = torch.autograd.grad(logits, weight, torch.eye(len(logits)), is_grads_batched=True)
    chances, squares = logits.exp().detach(), each.square().sum(1)
    expected = float((chances * squares).sum())
    spread = float((chances * (squares - expected).square()).sum()) ** 0.5
    drawn = [float(estimate(base, [one], seed=seed)["model.norm.weight"].sum()) for seed in range(40)]
    assert abs(sum(drawn) / len(drawn) - expected) < 4 * spread / len(drawn) ** 0.5
    surprise = int(chances.argmin())
    one["labels"][0, learned[0]] = surprise
    given = float(estimate(base, [one], seed=0, labels="given")["model.norm.weight"].sum())
    assert given == pytest.approx(float(squares[surprise]), rel=1e-3)
    assert given > 1.5 * expected  # what the model would not say surprises it: another quantity


def test_it_is_the_same_again_and_leaves_no_trace(base: Any, examples: list[dict[str, Any]]) -> None:
    state = torch.get_rng_state()
    base.train()
    one, other = estimate(base, examples, seed=5), estimate(base, examples, seed=5)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)
    assert base.training
    assert all(each.grad is None for each in base.parameters())


def test_under_an_adapter_it_is_of_the_products_weights(
    tiny_base: Path, base: Any, examples: list[dict[str, Any]]
) -> None:
    """For one token the factors are exact: out_i x into_j is the squared gradient of the base's own weight."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_base),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    one = [{"input_ids": torch.tensor([[7, 9]]), "labels": torch.tensor([[-100, 30]])}]
    found, plain = estimate(model, one, seed=0, labels="given"), estimate(base, one, seed=0, labels="given")
    assert len(found) == 21
    for name, factors in found.items():
        whole = plain[f"{name.removeprefix('base_model.model.')}.weight"]
        # Two positions go in, and the gradient of what is learned at the first comes out of it alone.
        product = factors.out[:, None] * factors.into * 2
        if name.endswith("layers.2.self_attn.o_proj"):
            assert float(product.sum()) >= float(whole.sum()) * 0.99
        assert factors.out.shape == whole.shape[:1]
        assert factors.into.shape == whole.shape[1:]


def test_nothing_learned_says_nothing(base: Any) -> None:
    with pytest.raises(UsageError, match="no token of its snapshot is learned"):
        estimate(base, [{"input_ids": torch.tensor([[1, 2]]), "labels": torch.tensor([[-100, -100]])}], seed=0)


def test_weights_that_the_old_task_needs_move_less(base: Any, examples: list[dict[str, Any]]) -> None:
    name = "model.norm.weight"
    importance = estimate(base, examples, seed=0)
    held = anchor(base, "full", 2.0, "ewc", importance)
    with torch.no_grad():
        base.get_parameter(name).add_(0.1)
    held.pull()
    gradient = base.get_parameter(name).grad.clone()
    with torch.no_grad():
        base.get_parameter(name).sub_(0.1)
    base.zero_grad(set_to_none=True)
    torch.testing.assert_close(gradient, 2.0 * importance[name] * 0.1, rtol=1e-3, atol=1e-9)


# --- In a run ---


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_estimates_it_through_the_lock_and_keeps_it(
    tmp_path: Path, tiny_base: Path, approved: Approved, method: str
) -> None:
    ewc = {"snapshot": approved.name, "strength": 50.0, "examples": 5}
    run = run_of(
        tmp_path / "run", tiny_base, approved, approved.use("ewc"), method=method, lr=1e-4, max_steps=3, ewc=ewc
    )
    sft.main(str(tmp_path / "run" / "run.json"))
    stored = run.place / FILE
    before = stored.stat().st_mtime_ns
    steps = [event.fields for event in read_events(run.place)[0] if event.kind == "step"]
    for step in steps:
        assert step["loss"] == pytest.approx(step["task_loss"] + 25.0 * step["ewc"], rel=1e-4)
    assert steps[0]["ewc"] == 0 < steps[-1]["ewc"]
    sft.main(str(tmp_path / "run" / "run.json"))
    assert stored.stat().st_mtime_ns == before  # what was estimated from the same is read
    again = [event.fields for event in read_events(run.place)[0] if event.kind == "step"][3:]
    assert [each["ewc"] for each in again] == [each["ewc"] for each in steps]


def test_a_snapshot_that_nobody_approved_is_not_read(
    tmp_path: Path, tiny_base: Path, approved: Approved, seal: Any
) -> None:
    from tests.training.made import additions

    waiting = seal(additions(40, 44), additions(50, 52), name="waiting", approved=False)
    use = approved.use("ewc").model_copy(update={"snapshot": waiting.id})
    run = run_of(tmp_path / "run", tiny_base, approved, use, ewc={"snapshot": "waiting", "strength": 1.0}).model_copy(
        update={"store": str(waiting.store.root)}
    )
    from gate.training.fisher import importance

    with pytest.raises(GateError):
        importance(run, None, None)  # type: ignore[arg-type]  # it does not come to the model
