"""What is repetitive, what is not, and that the estimates are as near to the exact figures as they are said to be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest

from gate.admission.bind import bind
from gate.checks.base import Context, Measurement
from gate.checks.diversity import GRAMS, DiversityParams, diversity
from gate.checks.hyperloglog import STANDARD_ERROR, add, empty, estimate, merged
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders


@pytest.fixture(scope="module")
def params() -> DiversityParams:
    """As shipped."""
    (bound,) = bind({"text": load_policy("text", Folders(), kind="text")}, select=["diversity"])
    assert isinstance(bound.params, DiversityParams)
    return bound.params


def frames(texts: Sequence[str]) -> Frames:
    rows = [{"id": f"{at:064x}", "file": "a", "row": at, "kind": "text", "text": text} for at, text in enumerate(texts)]
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(params: DiversityParams, *shards: Sequence[str]) -> Measurement:
    assert diversity.features is not None
    features = pl.concat([diversity.features(frames(shard), params, CONTEXT) for shard in shards])
    whole = frames(list(itertools.chain.from_iterable(shards)))
    return diversity.function(Corpus.of(whole, features), params, CONTEXT)


def random_texts(rows: int, words: int, vocabulary: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.integers(0, vocabulary, words)) for _ in range(rows)]


@pytest.mark.parametrize("different", [0, 1, 100, 5_000, 40_000, 400_000])
def test_registers_count_different_values_within_their_error(different: int) -> None:
    hashes = np.random.default_rng(different).integers(0, 2**64, different, dtype=np.uint64)
    registers = empty()
    add(registers, np.concatenate([hashes, hashes]))
    assert abs(estimate(registers) - different) <= max(0.5, 4 * STANDARD_ERROR * different)


def test_registers_of_shards_merge_to_those_of_the_whole() -> None:
    hashes = np.random.default_rng(3).integers(0, 2**64, 9_000, dtype=np.uint64)
    whole, parts = empty(), [empty(), empty()]
    add(whole, hashes)
    add(parts[0], hashes[:6_000])
    add(parts[1], hashes[3_000:])
    assert (merged(parts) == whole).all()
    assert (merged([]) == empty()).all()


def test_rates_of_ngrams_are_those_of_an_exact_count(params: DiversityParams) -> None:
    shards = [random_texts(200, 40, 300, seed) for seed in (1, 2)]
    figures = measure(params, *shards).figures
    for size in GRAMS:
        grams = [tuple(words[at : at + size]) for text in itertools.chain(*shards)
                 for words in [text.split()] for at in range(len(words) - size + 1)]  # fmt: skip
        exact = len(set(grams)) / len(grams)
        assert figures[f"distinct {size}-grams"] == pytest.approx(exact, rel=4 * STANDARD_ERROR)


def test_no_ngram_reaches_from_one_row_into_the_next(params: DiversityParams) -> None:
    figures = measure(params, ["lighthouse", "harbour"] * 20, ["storm warning"] * 3).figures
    assert figures["distinct 2-grams"] == pytest.approx(1 / 3, rel=0.01)
    assert "distinct 3-grams" not in figures


def test_the_similarity_of_two_rows_is_near_the_exact_mean(params: DiversityParams) -> None:
    texts = random_texts(150, 30, 12)
    sets = [{tuple(words[at : at + 3]) for at in range(28)} for words in (text.split() for text in texts)]
    exact = np.mean([len(a & b) / len(a | b) for a, b in itertools.combinations(sets, 2)])
    assert measure(params, texts).figures["mean similarity of two rows"] == pytest.approx(exact, abs=0.003)


def test_texts_of_many_words_are_found_diverse(params: DiversityParams) -> None:
    assert measure(params, random_texts(200, 40, 5_000)).findings.is_empty()


def test_one_sentence_with_one_word_changed_is_found_by_every_figure(params: DiversityParams) -> None:
    rest = "and then stop, since nobody who reads it has the time for more than one of them on a morning like this one"
    texts = [
        f"Please write one short sentence about the number {at}, {rest}, with the {rest[:-3]}." for at in range(100)
    ]
    assert set(measure(params, texts).findings["code"]) == {"repetitive", "similar_rows", "one_template"}
    assert "same_prompts" in measure(params, ["Tell me a joke about ships."] * 60).findings["code"].to_list()


def test_system_prompts_make_no_template(params: DiversityParams) -> None:
    turns = [
        [
            {"role": "system", "content": "You are the support assistant of a lighthouse."},
            {"role": "user", "content": t},
        ]
        for t in random_texts(60, 30, 5_000)
    ]
    rows = [{"id": str(at), "file": "a", "row": at, "kind": "chat", "messages": t} for at, t in enumerate(turns)]
    measured = diversity.run(
        Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED)), params, CONTEXT
    )
    assert "one_template" not in measured.findings["code"].to_list()


def test_few_rows_are_not_judged_and_it_says_so(params: DiversityParams) -> None:
    assert measure(params, ["the same again and again"] * 19).skipped
    assert measure(params, []).skipped


def test_real_datasets_are_diverse(params: DiversityParams, shared_data: Path) -> None:
    for path in sorted(shared_data.glob("*.json*")):
        dataset = read([path])
        measured = diversity.run(Frames(dataset.examples, dataset.malformed), params, CONTEXT)
        assert measured.skipped is None
        assert measured.findings.is_empty(), path.name
