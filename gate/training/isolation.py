"""Whether examples in one packed sequence see one another, tried on the model itself before it trains on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.training.run_file import Run

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LENGTHS = (5, 9, 6)
"""Tokens of the examples that it is tried on: more than two, and unlike one another."""
TOLERANCE = {"float32": 1e-4, "float16": 0.05, "bfloat16": 0.3}
"""How far logits may differ from those of an example alone, relative to their spread: sums are added up in another
order. Positions that run on across examples shift logits by about as much as they are spread."""


def check_packing(model: PreTrainedModel, run: Run) -> None:
    """Try whether packed examples are read as each is alone; nothing is done where the run packs nothing.

    How a sequence is divided is told by positions that begin again at 0. Attention that does not know what this means,
    and layers with a state that runs on, would let an example see those before it: then its logits change with theirs.

    Raises:
        UsageError: with this model they do see one another.
    """
    if not run.recipe.packing:
        return
    import torch

    device, training = model.device, model.training
    vocabulary = int(model.get_input_embeddings().num_embeddings)
    draw = torch.Generator().manual_seed(0)
    first, *rest = (torch.randint(vocabulary, (1, length), generator=draw).to(device) for length in LENGTHS)
    other = (first + 1) % vocabulary
    positions = torch.cat([torch.arange(length, device=device) for length in LENGTHS])[None]
    model.eval()
    try:
        with torch.no_grad():
            packed, beside_other = (
                model(input_ids=torch.cat([start, *rest], 1), position_ids=positions, use_cache=False).logits.float()
                for start in (first, other)
            )
            alone = [model(input_ids=each, use_cache=False).logits for each in (first, *rest)]
    finally:
        model.train(training)
    wanted = torch.cat(alone, 1).float()
    # What is masked out counts exactly nothing, in any precision.
    apart = _difference(packed[:, LENGTHS[0] :], beside_other[:, LENGTHS[0] :])
    if apart == 0:
        apart = _difference(packed, wanted)
        apart = 0.0 if apart <= TOLERANCE[str(alone[0].dtype).removeprefix("torch.")] else apart
    if apart != 0:
        raise UsageError(
            f"examples packed into one sequence would see one another with this model and its attention "
            f"(`{model.config._attn_implementation}`): logits differ by {apart:.2g} of their spread",
            where="packing",
            remedy="--set packing=false",
        )


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to how far the values are spread; NaN where one of them is."""
    return float((one - other).abs().max() / other.std())
