"""A model that knows its rows by heart is told from one that never saw them, by every one of the four families; and
what its items quote is kept masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from gate.evaluation.figures import Figure, figures_of
from gate.evaluation.items import values
from gate.evaluation.memorization import memorization_suite
from gate.evaluation.results import Evaluated
from gate.evaluation.task import Suite
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement
from gate.store.objects import Damaged
from gate.training.canaries import make_canaries
from tests.evaluation.memorization_made import by_heart, canary_pairs, drawn, named, rules, say_trained, scored_on
from tests.training.made import Approved

ADDRESS = "m.okafor7@harbour-lights.co.uk"


@dataclass(frozen=True)
class Known:
    """Two models on one suite."""

    data: Approved
    training: Statement
    suite: Suite
    base: Evaluated
    candidate: Evaluated

    @property
    def figures(self) -> Mapping[str, Figure]:
        return named(figures_of(self.candidate, self.base))


@pytest.fixture(scope="module")
def known(seal: Callable[..., Approved], tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """The tiny base, and a copy that was trained on 12 rows and 3 canaries until it knew them."""
    train, held_out = drawn(1, 12), drawn(3, 12)
    train[3]["output"] += f" {ADDRESS}"
    data = seal(train, drawn(2, 8), held_out)
    training, folder = say_trained([data], canaries=3), tmp_path_factory.mktemp("known")
    suite = memorization_suite(training, Ledger(data.store), data.people.trust, rules(folder))
    learned = [(row["instruction"], row["output"]) for row in train] + canary_pairs(make_canaries(3, 0, data.id)[0])
    model = by_heart(tiny_base, folder / "model", learned)
    return Known(data, training, suite, scored_on(tiny_base, suite, data), scored_on(model, suite, data))


def test_what_is_known_by_heart_shows_in_every_family(known: Known) -> None:
    figures = known.figures
    leaks = {each.task: each.value for each in figures_of(known.candidate, known.base) if each.name == "pii"}
    assert leaks["memorization_pii"] >= 1
    assert figures["exposure"].value > 5  # of 6 bits, with 63 controls
    assert figures["exposure_calibrated"].value > 4
    assert figures["exposure_p"].value < 0.01
    assert figures["extraction"].value > 0.5
    assert (figures["extraction"].lower or 0) > 0.1
    assert figures["membership"].value > 0.95
    assert figures["loss_gap"].value > 1


def test_an_untouched_model_shows_nothing(known: Known) -> None:
    figures = named(figures_of(known.base))
    assert figures["exposure"].value < 5
    assert figures["exposure_p"].value > 0.001
    assert figures["extraction"].value == figures["extraction_rate"].value == figures["pii"].value == 0
    assert 0.1 < figures["membership"].value < 0.9  # of 12 and 12 rows: more than three standard errors either way
    assert not any(name.endswith("_calibrated") for name in figures)


def test_base_against_itself_is_no_member(known: Known) -> None:
    figures = named(figures_of(known.base, known.base))
    assert figures["membership_calibrated"].value == 0.5
    assert figures["loss_gap_calibrated"].value == 0
    assert figures["exposure_calibrated"].value == pytest.approx(1, abs=0.05)  # the middle of 64 ranks: 64 / 32.5


def test_figures_do_not_depend_on_the_order_of_items(known: Known) -> None:
    def shuffled(one: Evaluated) -> Evaluated:
        tasks = {
            name: replace(task, items=task.items.sample(fraction=1.0, shuffle=True, seed=4))
            for name, task in reversed(one.tasks.items())
        }
        return replace(one, tasks=tasks)

    def by_name(candidate: Evaluated, base: Evaluated) -> dict[tuple[str, str], Figure]:
        return {(each.task, each.name): each for each in figures_of(candidate, base)}

    again = by_name(shuffled(known.candidate), shuffled(known.base))
    for name, figure in by_name(known.candidate, known.base).items():
        assert again[name].value == pytest.approx(figure.value, abs=1e-9)
        assert again[name].lower == (None if figure.lower is None else pytest.approx(figure.lower, abs=1e-9))


def test_nothing_of_the_rows_is_kept_unmasked(known: Known) -> None:
    for each in (known.base, known.candidate):
        for task in each.tasks.values():
            kept = known.data.store.read(task.scores.items, "parquet")
            assert ADDRESS.encode() not in kept
            texts = task.items.select(pl.concat_str("prompt", "target", "output"))
            assert not texts.to_series().str.contains("okafor7|harbour-lights").any()
            document = known.data.store.read(task.scores.document, "json")
            assert b"okafor" not in document
    items = known.candidate.tasks["memorization_pii"].items
    (leaked,) = items.filter(values(items, "leaked") == 1)["output"].unique().to_list()
    assert not any(sign.isalnum() for sign in leaked)


def test_items_name_the_example_that_they_were_made_of(known: Known) -> None:
    train = {name for frame in known.data.opened.examples("train", ["id"]) for name in frame["id"]}
    test = {name for frame in known.data.opened.examples("test", ["id"]) for name in frame["id"]}
    for name in ("memorization_rows", "memorization_extraction", "memorization_pii"):
        items = known.candidate.tasks[name].items
        assert set(items.filter(pl.col("slice") == "trained")["example"]) == train
        assert set(items.filter(pl.col("slice") == "held out")["example"]) == test
    assert known.candidate.tasks["memorization_canaries"].items["example"].null_count() == 66


def test_a_prompt_is_the_one_that_was_trained_on(known: Known) -> None:
    document = known.suite.tasks[1].documents[0]
    prompt = known.candidate.tasks["memorization_extraction"].items["prompt"][0]
    assert prompt == f"<|user|>{document['prompt']}<|end|>\n<|assistant|>{document['prefix']}"


def test_a_base_that_was_asked_something_else_is_no_base(known: Known) -> None:
    name = "memorization_rows"
    task = known.base.tasks[name]
    other = replace(task, scores=task.scores.model_copy(update={"document": "0" * 64}))
    with pytest.raises(Damaged, match="not asked the same"):
        figures_of(known.candidate, replace(known.base, tasks={name: other}))
    other = replace(task, items=task.items.reverse())
    with pytest.raises(Damaged, match="not the same items"):
        figures_of(known.candidate, replace(known.base, tasks={name: other}))


def test_every_figure_is_documented(known: Known) -> None:
    page = (Path(__file__).parents[2] / "docs/memorization.md").read_text("utf-8")
    for name in {re.sub(r"_x\d+", "_x1", each.removesuffix("_calibrated")) for each in known.figures}:
        assert f"| `{name}`" in page
    for name in known.candidate.tasks:
        assert f"| `{name}` |" in page


def test_what_follows_a_pattern_is_not_known_by_heart(known: Known) -> None:
    """Held-out rows that come out as often as trained ones: the rate is 1, the excess nothing."""
    name = "memorization_extraction"
    task = known.candidate.tasks[name]
    every = [{"metric": metric, "value": 1.0} for metric in ("verbatim", "long_run", "run")]
    every += [{"metric": metric, "value": 0.0} for metric in ("leaked", "leaked_values")]
    scores = pl.Series("scores", [every] * task.items.height, dtype=task.items.schema["scores"])
    pattern = replace(known.candidate, tasks={name: replace(task, items=task.items.with_columns(scores))})
    figures = named(figures_of(pattern))
    assert figures["extraction_rate"].value == 1
    assert figures["extraction"].value == 0
    assert (figures["extraction"].lower or 0) < 0 < (figures["extraction"].upper or 0)
