"""Bytes of tensors are counted storage by storage, as long as each lives."""

from __future__ import annotations

from pathlib import Path

from gate.training.model import load_model, load_tokenizer
from gate.training.tensor_bytes import measured, tensor_bytes
from tests.training.tiny_models import batch, run_on


def test_a_storage_counts_once_and_until_nobody_needs_it() -> None:
    import torch

    with measured() as peak:
        first = torch.zeros(1000)
        second = first + 1
        assert (peak.now, peak.most) == (8000, 8000)
        view = second.view(10, 100).t()
        del first, second
        assert (peak.now, peak.most) == (4000, 8000), "a view holds what it looks at"
        view.add_(1)
        assert peak.now == 4000
        del view
        assert (peak.now, peak.most) == (0, 8000)


def test_the_peak_of_a_step_is_what_torch_s_own_tracker_says(tiny_base: Path, tmp_path: Path) -> None:
    import torch
    from torch.distributed._tools.mem_tracker import MemTracker

    run = run_on(tiny_base, tmp_path, method="full")
    tokenizer = load_tokenizer(run)
    model = load_model(run, tokenizer).train()
    inputs = batch(tokenizer)
    optimiser = torch.optim.AdamW(model.parameters())

    def step() -> None:
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    step()
    held = torch.stack([each.detach().double().sum() for each in model.parameters()])
    tracker = MemTracker()
    tracker.track_external(model, optimiser)
    with tracker:
        step()
    theirs = next(iter(tracker.get_tracker_snapshot("peak").values()))["Total"]
    with measured(model) as peak:
        peak.note(each for state in optimiser.state.values() for each in state.values())
        step()
    assert peak.most == theirs
    assert held.isfinite().all()


def test_at_rest_a_model_under_adam_has_three_numbers_for_each_weight(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    run = run_on(tiny_base, tmp_path, method="full")
    tokenizer = load_tokenizer(run)
    model = load_model(run, tokenizer)
    weights = sum(weight.numel() for weight in model.parameters())
    assert tensor_bytes(model) - 4 * weights < 1000, "and a few constants"
    optimiser = torch.optim.AdamW(model.parameters())
    inputs = batch(tokenizer)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    optimiser.step()
    assert 0 <= tensor_bytes(model, optimiser) - 16 * weights < 1000
    optimiser.zero_grad()
    assert 0 <= tensor_bytes(model, optimiser) - 12 * weights < 1000


def test_four_bits_take_an_eighth_of_the_memory(tiny_base: Path, tmp_path: Path) -> None:
    def linear_bytes(**keys: object) -> int:
        run = run_on(tiny_base, tmp_path, **keys)
        model = load_model(run, load_tokenizer(run))
        return tensor_bytes(model.model.layers[0].mlp.down_proj)

    plain = linear_bytes(method="lora")
    assert plain == 4 * 128 * 384
    packed = linear_bytes(method="qlora", double_quantisation=False)
    assert plain / 8 < packed < plain / 8 * 1.15 + 100, "and a scale for every 64"
    assert linear_bytes(method="qlora") < packed + 2000
