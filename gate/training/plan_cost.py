"""Steps, tokens, time and money: what training would take, and whether it is worth it. Pure arithmetic.

Time is a range: a device's throughput is known, the share of it that training reaches is not. Money is only what the
user's own figures come to; the guides' example stands beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gate.training.base_facts import BaseFacts
from gate.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Work:
    """What a run computes."""

    examples: int
    """Of one pass, repeats and replay included."""
    sequences: int
    """Rows of batches in one pass: fewer than examples where they are packed."""
    steps: int
    """Optimiser steps."""
    tokens: int
    """Read in all passes."""
    flops: float
    """Floating-point operations."""


@dataclass(frozen=True, slots=True)
class Time:
    """How long it takes, in seconds."""

    fastest: float
    slowest: float
    basis: str
    """What the figures rest on."""


@dataclass(frozen=True, slots=True)
class Return:
    """Cost and return."""

    prompts: float | None
    """What the work on prompts costs; None where the user did not say."""
    tuning: float
    """What fine-tuning costs: preparing data, and computing."""
    gain: float | None
    """The expected gain in quality, a share; None where it is not known."""
    needed: float
    """The gain above which it is worth it."""

    @property
    def ratio(self) -> float:
        """How many times the work on prompts; NaN where that is not known."""
        return self.tuning / self.prompts if self.prompts else math.nan

    @property
    def worth_it(self) -> bool | None:
        """Whether the expected gain is worth it; None where it is not known."""
        return None if self.gain is None else self.gain > self.needed

    @property
    def for_a_point(self) -> float | None:
        """What one percentage point of gain costs; None where there is none to expect."""
        return None if self.gain is None or self.gain <= 0 else self.tuning / (100 * self.gain)


def work(facts: BaseFacts, recipe: Recipe, examples: int, tokens: int) -> Work:
    """What a run computes.

    Floating-point operations are those of Kaplan et al. 2020 (sec. 2.1: 6 N a token, of which the forward pass is a
    third) and of attention (Chowdhery et al. 2022, appendix B: 12 L H Q T a token); a frozen base needs no gradients
    of its weights, which leaves two thirds; activations that are recomputed add a forward pass.

    Args:
        examples: of the train split.
        tokens: of one pass over them.
    """
    seen = examples / (1 - recipe.replay.share) if recipe.replay is not None else float(examples)
    tokens_seen = tokens * seen / max(examples, 1)
    length = tokens_seen / max(seen, 1)
    sequences = math.ceil(seen)
    if recipe.packing and recipe.max_length:
        sequences = max(1, math.ceil(tokens_seen / recipe.max_length))
        length = recipe.max_length
    steps = max(1, math.ceil(math.ceil(sequences / recipe.batch) * recipe.epochs))
    passes = float(recipe.epochs)
    if recipe.max_steps is not None and recipe.max_steps < steps:
        passes, steps = passes * recipe.max_steps / steps, recipe.max_steps
    read = math.ceil(tokens_seen * passes)
    active = facts.parameters - _idle(facts)
    forward = 2 * active + 4 * facts.layers * facts.heads * facts.head_dim * length
    parts = 3 if recipe.method == "full" else 1 if recipe.method == "head" else 2
    parts += int(recipe.checkpoint_activations and recipe.method != "head")
    if recipe.objective in ("dpo", "kto") or recipe.kl > 0:  # the reference reads everything too
        parts += 1
    return Work(math.ceil(seen), sequences, steps, read, read * forward * parts)


def _idle(facts: BaseFacts) -> int:
    """Parameters that a token does not meet: experts that do not see it, and an embedding that is only looked up."""
    size = (3 if facts.gated else 2) * facts.hidden * facts.intermediate
    experts = facts.layers * size * max(facts.experts - facts.experts_used, 0)
    return min(experts + (0 if facts.tied else facts.vocabulary * facts.hidden), facts.parameters - 1)


def time_at(flops: float, tflops: float, low: float, high: float, basis: str) -> Time:
    """How long a computation takes on a device.

    Args:
        tflops: what the device does at most, 10^12 operations a second.
        low: the smallest share of it that training reaches, and `high` the largest.
    """
    return Time(flops / (tflops * 1e12 * high), flops / (tflops * 1e12 * low), basis)


def time_of(tokens: int, tokens_per_second: float) -> Time:
    """The same at a rate that a run was seen to have."""
    seconds = tokens / tokens_per_second
    return Time(seconds, seconds, f"{tokens_per_second:,.0f} tokens a second, as you gave it")
