"""Bits per byte: how well a model predicts a text, per item, whatever its tokenizer.

Perplexity depends on how a tokenizer cuts a text up; the bits that the model would need to encode it, divided by its
bytes, do not (Gao et al. 2020, "The Pile: An 800GB Dataset of Diverse Text for Language Modeling", section 3.1:
BPB = (L_T / L_B) * l / ln 2, which for a whole text is its negative log-likelihood in nats over its bytes and ln 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gate.evaluation.task import Sample
from gate.evaluation.task_document import Metric

NAME = "bits_per_byte@1"
METRIC = Metric(name="bits_per_byte", binary=False, higher_is_better=False, scorer=NAME)


def bits_per_byte(log_likelihood: float, text: str) -> float:
    """Bits that a model needs for each byte of a text, about 8 of random bytes and below 1 of English for large models.

    Args:
        log_likelihood: of the whole text, in nats, at most 0.
        text: counted in UTF-8.

    Raises:
        ValueError: the text is empty, or the log-likelihood is no finite number.
    """
    size = len(text.encode())
    if not size:
        raise ValueError("an empty text has no bits per byte")
    if not math.isfinite(log_likelihood):
        raise ValueError(f"the log-likelihood of a text is {log_likelihood}")
    return -log_likelihood / (size * math.log(2))


def score_bits(sample: Sample) -> Mapping[str, float]:
    """`bits_per_byte` of an item of a `loglikelihood_rolling` task, whose target is the text.

    Raises:
        ValueError: there is not one likelihood, or `bits_per_byte` says so.
    """
    (likelihood,) = sample.likelihoods
    return {METRIC.name: bits_per_byte(likelihood, sample.target)}
