"""Scorers of a generated text against the right one: equal, alike, contained. Every one is a finite number from 0 to 1
(the ratio of lengths: from 0 on), for empty texts, any script and texts of any length.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from gate.evaluation.task import Sample, Scorer
from gate.evaluation.task_document import Metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_LONGEST_NUMBER = 100
"""Characters; what is longer is no number that anybody asked for."""


def output_of(sample: Sample) -> str:
    """What was generated; the empty text where nothing was."""
    return sample.outputs[0] if sample.outputs else ""


def normalised(text: str) -> str:
    """A text as answers are compared: lower case, without ASCII punctuation, the articles a, an and the, and further
    spaces (Rajpurkar et al. 2016, SQuAD, section 6.1)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(sample: Sample) -> Mapping[str, float]:
    """`exact_match`: the same text but for spaces around it; `exact_match_normalised`: also but for case, ASCII
    punctuation and articles."""
    output, target = (unicodedata.normalize("NFC", text).strip() for text in (output_of(sample), sample.target))
    plain = normalised(target)
    # Of an answer that is nothing but punctuation nothing is left to compare, and any such output would be right.
    alike = plain == normalised(output) if plain else output == target
    return {"exact_match": float(output == target), "exact_match_normalised": float(alike)}


def f1(sample: Sample) -> Mapping[str, float]:
    """`f1`: harmonic mean of precision and recall over the words that both have, after normalising (Rajpurkar et al.
    2016, SQuAD, section 6.1)."""
    output, target = normalised(output_of(sample)).split(), normalised(sample.target).split()
    if not output or not target:
        return {"f1": float(output_of(sample).strip() == sample.target.strip())}
    both = sum((Counter(output) & Counter(target)).values())
    return {"f1": 2 * both / (len(output) + len(target))}


def numeric(sample: Sample) -> Mapping[str, float]:
    """`numeric_match`: the last number of what was said is the last one of the right answer (1,000 is 1000.0)."""
    wanted, said = last_number(sample.target), last_number(output_of(sample))
    return {"numeric_match": float(wanted is not None and wanted == said)}


def last_number(text: str) -> Decimal | None:
    """The last number in a text, or None. Thousands may be parted by commas."""
    found = None
    for each in _NUMBER.finditer(text):
        found = each
    if found is None or len(found[0]) > _LONGEST_NUMBER:
        return None
    before = text[: found.start()]
    written = found[0].replace(",", "").replace("−", "-")
    if written[0] in "+-" and before[-1:].isalnum():  # 3-4 is a span, and no negative number
        written = written[1:]
    try:
        return Decimal(written)
    except InvalidOperation:  # digits of other scripts that are no decimal ones
        return None


def rouge_l(sample: Sample) -> Mapping[str, float]:
    """`rouge_l`: F-measure of the longest common subsequence of words (Lin 2004, ROUGE, section 3.1, beta 1), in lower
    case, not stemmed, in any script."""
    output, target = _WORD.findall(output_of(sample).lower()), _WORD.findall(sample.target.lower())
    if not output or not target:
        return {"rouge_l": 0.0}
    return {"rouge_l": 2 * common_subsequence(output, target) / (len(output) + len(target))}


def common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence of two, bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited", figure 2): a whole row of the table in one step, so that long texts take no time."""
    places: dict[Hashable, int] = {}
    for at, each in enumerate(first):
        places[each] = places.get(each, 0) | 1 << at
    whole = (1 << len(first)) - 1
    row = whole
    for each in second:
        match = row & places.get(each, 0)
        row = ((row + match) | (row - match)) & whole
    return len(first) - row.bit_count()


def bleu(sample: Sample) -> Mapping[str, float]:
    """`bleu`: BLEU of the one sentence (sacrebleu's sentence level: smoothed, as many orders as it has words for),
    from 0 to 1."""
    return {"bleu": _bounded(_bleu().sentence_score(output_of(sample), [sample.target]).score)}


def chrf(sample: Sample) -> Mapping[str, float]:
    """`chrf`: chrF of the one sentence (sacrebleu: characters up to 6, beta 2), from 0 to 1."""
    return {"chrf": _bounded(_chrf().sentence_score(output_of(sample), [sample.target]).score)}


@lru_cache(maxsize=1)
def _bleu() -> Any:  # sacrebleu brings no types
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=True)


@lru_cache(maxsize=1)
def _chrf() -> Any:  # the same
    from sacrebleu.metrics import CHRF

    return CHRF()


def _bounded(percent: float) -> float:
    return min(1.0, max(0.0, float(percent) / 100))  # 100.00000000000004 is 1


def contains(sample: Sample) -> Mapping[str, float]:
    """`contains`: the right answer stands in what was said, whatever the case and spacing."""
    wanted = _squeezed(sample.target)
    return {"contains": float(wanted != "" and wanted in _squeezed(output_of(sample)))}


def starts_with(sample: Sample) -> Mapping[str, float]:
    """`starts_with`: what was said begins with the right answer as whole words, whatever the case and spacing."""
    wanted, said = _squeezed(sample.target), _squeezed(output_of(sample))
    held = wanted != "" and said.startswith(wanted) and not (wanted[-1].isalnum() and said[len(wanted) :][:1].isalnum())
    return {"starts_with": float(held)}


def _squeezed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def length(sample: Sample) -> Mapping[str, float]:
    """`length_ratio`: characters that were said for each of the right answer; 1 is as long as that."""
    return {"length_ratio": len(output_of(sample).strip()) / max(1, len(sample.target.strip()))}


def _one(scorer: Scorer, name: str, *metrics: str, binary: bool) -> tuple[Scorer, tuple[Metric, ...]]:
    return scorer, tuple(Metric(name=metric, binary=binary, scorer=name) for metric in metrics)


TEXT_SCORERS: Mapping[str, tuple[Scorer, tuple[Metric, ...]]] = {
    "exact_match@1": _one(exact_match, "exact_match@1", "exact_match", "exact_match_normalised", binary=True),
    "numeric@1": _one(numeric, "numeric@1", "numeric_match", binary=True),
    "contains@1": _one(contains, "contains@1", "contains", binary=True),
    "starts_with@1": _one(starts_with, "starts_with@1", "starts_with", binary=True),
    "f1@1": _one(f1, "f1@1", "f1", binary=False),
    "rouge_l@1": _one(rouge_l, "rouge_l@1", "rouge_l", binary=False),
    "bleu@1": _one(bleu, "bleu@1", "bleu", binary=False),
    "chrf@1": _one(chrf, "chrf@1", "chrf", binary=False),
    "length@1": _one(length, "length@1", "length_ratio", binary=False),
}
"""By name and version: what computes it, and its metrics."""
