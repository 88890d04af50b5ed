"""Bits per byte: known values, and the same as lm-eval's own over a whole task."""

from __future__ import annotations

import math

import pytest

from gate.evaluation.bits import METRIC, bits_per_byte, score_bits
from gate.evaluation.task import Sample


def sample(text: str, *likelihoods: float) -> Sample:
    return Sample({"text": text}, text, "", (), likelihoods, (False,) * len(likelihoods))


def test_a_uniform_guess_over_bytes_costs_eight_bits_each() -> None:
    text = "Fog forms when moist air cools."
    assert bits_per_byte(len(text) * math.log(1 / 256), text) == pytest.approx(8)
    assert bits_per_byte(len(text) * math.log(1 / 2), text) == pytest.approx(1)
    assert bits_per_byte(0.0, text) == 0


def test_bytes_are_counted_and_not_characters() -> None:
    assert bits_per_byte(-math.log(2) * 6, "é😀") == pytest.approx(1)  # two bytes and four


def test_the_sum_over_items_weighted_by_bytes_is_lm_evals_figure() -> None:
    from lm_eval.api.metrics import bits_per_byte as of_all

    texts = {"A short one.": -20.5, "Ein etwas längerer Text.": -61.25, "第三": -30.0}
    sizes = [len(text.encode()) for text in texts]
    ours = [score_bits(sample(text, found))[METRIC.name] for text, found in texts.items()]
    whole = sum(each * size for each, size in zip(ours, sizes, strict=True)) / sum(sizes)
    assert whole == pytest.approx(of_all(list(zip(texts.values(), sizes, strict=True))))


@pytest.mark.parametrize("likelihood", [math.nan, math.inf, -math.inf])
def test_no_number_is_no_score(likelihood: float) -> None:
    with pytest.raises(ValueError, match="log-likelihood"):
        score_bits(sample("text", likelihood))


def test_an_empty_text_has_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        score_bits(sample("", -1.0))
    with pytest.raises(ValueError):
        score_bits(sample("text"))
    with pytest.raises(ValueError):
        score_bits(sample("text", -1.0, -2.0))


def test_less_is_better() -> None:
    assert not METRIC.higher_is_better
    assert not METRIC.binary
