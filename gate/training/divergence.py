"""How far a model in training has gone from its base: KL(base || model) over the tokens that it learns.

The hidden states of the model are those of the forward pass that the loss needs anyway; of the base one forward pass
without gradients is needed. Logits, which are large, are worked out for a few hundred tokens at a time, forward and
backward, and for learned tokens only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from gate.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor
    from torch.nn import Module

CHUNK = 512
"""Learned tokens whose logits are held at once: with a vocabulary of 150,000 that is 0.3 GB for each of the two."""

_OF_THE_LOSS = {"labels", "shift_labels", "num_items_in_batch", "fused_lm_head"}

Batch = Mapping[str, Any]  # what a collator makes: tensors, and for packed rows numbers


class Divergence:
    """Works out KL(base || model).

    Args:
        model: the one that is trained: its adapter can be switched off, which gives the base.
        copy: the base, frozen, where there is no adapter: a second copy of the weights.
    """

    def __init__(self, model: Module, copy: Module | None = None) -> None:
        self._model, self._copy, self._checked = model, copy, False

    @contextmanager
    def hidden(self) -> Iterator[list[Tensor]]:
        """Collects the last hidden states (batch x positions x width) of forward passes inside."""
        states: list[Tensor] = []
        backbone = causal(self._model).base_model
        handle = backbone.register_forward_hook(lambda module, inputs, output: states.append(output[0]))
        try:
            yield states
        finally:
            handle.remove()

    def total(self, states: Tensor, inputs: Batch) -> tuple[Tensor, Tensor]:
        """The sum of KL(base || model), in nats, over the learned tokens of a batch, and how many these are.

        Args:
            states: the model's hidden states for it, with their graph.
            inputs: the batch with its labels (-100: not learned).
        """
        from torch.utils.checkpoint import checkpoint

        wanted = inputs["shift_labels"] if "shift_labels" in inputs else inputs["labels"][:, 1:]
        mask = wanted != -100
        length = mask.shape[1]
        start = states.shape[1] - inputs["labels"].shape[1] if "labels" in inputs else 0  # virtual tokens stand first
        ours = states[:, start : start + length][mask]
        theirs = self._base_states(inputs)[:, :length][mask]
        total = ours.sum() * 0  # a batch without learned tokens has a gradient too, of zero
        for model_states, base_states in zip(ours.split(CHUNK), theirs.split(CHUNK), strict=True):
            if len(model_states):
                total = total + checkpoint(self._kl, model_states, base_states, use_reentrant=False)
        return total, mask.sum()

    def _kl(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Summed over tokens; both: tokens x width."""
        import torch

        with torch.no_grad(), self._base() as base:
            expected = logits_of(base, theirs).float().log_softmax(-1)
        found = logits_of(causal(self._model), ours).float().log_softmax(-1)
        return torch.nn.functional.kl_div(found, expected, log_target=True, reduction="sum")

    def _base_states(self, inputs: Batch) -> Tensor:
        """The base's last hidden states, without dropout and without a gradient."""
        import torch

        known = {key: value for key, value in inputs.items() if key not in _OF_THE_LOSS} | {"use_cache": False}
        training = self._model.training
        with torch.no_grad(), self._base() as base:
            self._model.eval()
            try:
                if self._copy is not None and next(self._copy.parameters()).device != inputs["input_ids"].device:
                    self._copy.to(inputs["input_ids"].device)
                states: Tensor = base.base_model(**known)[0]
                if not self._checked:
                    _check_head(base, known, states)
                    self._checked = True
            finally:
                self._model.train(training)
        return states

    def _base(self) -> AbstractContextManager[Any]:  # of the causal model that is the base
        return nullcontext(self._copy) if self._copy is not None else without_adapter(self._model)


def causal(model: Module) -> Any:  # a transformers model, whose class is known to nobody here
    """The causal language model below an adapter, if there is one."""
    return cast(Any, model).get_base_model() if hasattr(model, "get_base_model") else model


@contextmanager
def without_adapter(model: Module) -> Iterator[Any]:
    """The base below an adapter. What is trained stays as it was: peft, when it switches an adapter on again, makes
    all of it trainable, layers too that a recipe had frozen."""
    trained = [(each, each.requires_grad) for each in model.parameters()]
    with cast(Any, model).disable_adapter():
        yield causal(model)
    for parameter, requires in trained:
        parameter.requires_grad_(requires)


def logits_of(model: Any, states: Tensor) -> Tensor:
    """Logits (tokens x vocabulary) of hidden states (tokens x width), as a model's own forward pass makes them: some
    families scale them, some squash them (Gemma 2)."""
    import torch

    logits: Tensor = model.get_output_embeddings()(states)
    config = model.config.get_text_config()
    for key in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (scale := getattr(config, key, None)) is not None:
            logits = logits * scale
    if (scale := getattr(config, "logits_scaling", None)) is not None:
        logits = logits / scale
    if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits


def logits_at(model: Any, inputs: Batch, mask: Tensor) -> Tensor:
    """A model's logits (chosen positions x vocabulary), of some positions only.

    Args:
        model: a causal language model, with or without an adapter.
        mask: batch x (positions - 1); true where what comes next is asked for.
    """
    kept: list[Tensor] = []
    head = causal(model).get_output_embeddings()
    length = mask.shape[1] + 1

    def keep(module: Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        states = arguments[0][:, -length:][:, :-1]  # virtual tokens stand first
        kept.append(states[mask][None])
        return (kept[0], *arguments[1:])

    handle = head.register_forward_pre_hook(keep)
    try:
        logits: Tensor = model(**inputs).logits[0]
    finally:
        handle.remove()
    return logits


def _check_head(model: Any, inputs: Batch, states: Tensor) -> None:
    """Whether `logits_of` makes of the first row what the model itself makes of it.

    Raises:
        UsageError: it does not, so KL would be of something else.
    """
    import torch

    rows = len(inputs["input_ids"])
    first = {k: v[:1] if isinstance(v, torch.Tensor) and v.dim() and len(v) == rows else v for k, v in inputs.items()}
    if rows == 1:
        first = dict(inputs)
    expected = model(**first).logits[0].float()
    found = logits_of(model, states[0]).float()
    if "attention_mask" in first:
        real = first["attention_mask"][0].bool()
        expected, found = expected[real], found[real]
    apart = (expected - found).abs().max() / expected.abs().max().clamp(min=1)
    if not apart < 2e-2:  # a wrong scale is far off; bfloat16 has 8 bits
        raise UsageError(
            f"kl: how {type(model).__name__} makes its logits is not known here",
            remedy="hold the model to its base by `replay`, `l2sp` or `ewc` instead",
        )
