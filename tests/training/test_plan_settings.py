"""Method, settings, steps, time and money: each follows from the data, the base and the device, with every guide."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from gate.folders import Folders
from gate.training.plan_cost import Return, time_at, time_of, work
from gate.training.plan_method import GB, Chosen, Option, Room, chosen, nearest_recipe, options, variants
from gate.training.plan_rules import load_plan_rules
from gate.training.plan_settings import Setting, fitted, settings
from gate.training.plan_shape import shaped
from gate.training.recipe import Method, Recipe
from gate.training.recipe_files import load_recipe
from tests.training.test_plan_memory import facts

RULES = load_plan_rules(Folders())
SEVEN = shaped(facts(), {})


def room(gigabytes: float | None) -> Room:
    size = None if gigabytes is None else int(gigabytes * GB)
    return Room(size, "gpu", None, None if size is None else int(size * (1 - RULES.memory.headroom.value)))


def offered(gigabytes: float | None, length: int = 512) -> tuple[Option, ...]:
    recipe = load_recipe("lora", Folders()).recipe
    return options(SEVEN, variants(recipe, "chat", Folders()), length, room(gigabytes), RULES.memory)


def pick(gigabytes: float | None, examples: int = 5000, length: int = 512) -> Chosen:
    return chosen(offered(gigabytes, length), room(gigabytes), examples, RULES.memory)


def by_key(found: Sequence[Setting]) -> dict[str, Setting]:
    return {each.key: each for each in found}


def set_for(
    examples: int, parameters: float = 7e9, method: Method = "lora", goal: str | None = None
) -> dict[str, Setting]:
    recipe = nearest_recipe("chat", method, goal, Folders()).recipe
    return by_key(settings(recipe, examples, int(parameters), goal, RULES.settings))


# --- Method ---


@pytest.mark.parametrize(("gigabytes", "method"), [(8, "qlora"), (12, "qlora"), (24, "lora"), (80, "lora")])
def test_a_7b_model_gets_the_method_that_fits(gigabytes: float, method: str) -> None:
    found = pick(gigabytes)
    assert found.method == method


def test_nothing_that_does_not_fit_is_chosen_without_saying_so() -> None:
    found = pick(4)
    assert "nothing fits" in found.why
    assert not any(each.fits for each in offered(4))


def test_full_needs_every_guides_number_of_examples() -> None:
    assert pick(1000, examples=100_000).method == "full"
    between = pick(1000, examples=50_000)
    assert between.method == "lora"
    assert "G3" in between.why
    assert "G2" in between.why
    assert pick(None, examples=1_000_000).method == "lora"  # nobody said that it fits


def test_guides_that_disagree_are_both_shown() -> None:
    said = {each.source: each.said for each in pick(40).guides if "GB" in each.said}
    assert said == {"G1": "LoRA or DoRA, for 40 GB", "G2": "LoRA, for 40 GB"}
    assert {each.source: each.method for each in pick(16).guides if "GB" in each.said} == {"G1": "lora", "G2": "qlora"}


def test_what_fits_is_the_most_that_fits() -> None:
    limit = room(24).usable
    assert limit is not None
    for option in offered(24):
        if option.fits:
            assert option.memory.total <= limit
            assert option.memory.recipe.batch % option.memory.recipe.device_batch == 0
    lora = next(each for each in offered(24) if each.method == "lora")
    assert dict(lora.guides) == {"G2": "40 GB", "G5": "16-24 GB"}


def test_a_prefix_is_never_recomputed() -> None:
    for gigabytes in (4, 14.9, 15.2):
        prefix = next(each for each in offered(gigabytes, length=4096) if each.method == "prefix")
        assert not prefix.memory.recipe.checkpoint_activations


# --- Settings ---


@pytest.mark.parametrize(
    ("examples", "epochs"), [(999, 5), (1000, 3), (4999, 3), (5000, 2), (9999, 2), (10_000, 1), (10**6, 1)]
)
def test_epochs_follow_the_number_of_examples(examples: int, epochs: int) -> None:
    found = set_for(examples)["epochs"]
    assert found.value == epochs
    assert any(each.source == "G2" and each.agrees for each in found.guides)


def test_no_more_than_three_epochs_where_every_weight_learns() -> None:
    found = set_for(500, method="full")["epochs"]
    assert found.value == 3
    assert "every weight" in found.why


@pytest.mark.parametrize(("parameters", "rate"), [(1e6, 5e-5), (1e9, 2e-5), (7e9, 1e-5), (13e9, 5e-6), (70e9, 1e-6)])
def test_the_rate_of_full_fine_tuning_falls_with_size(parameters: float, rate: float) -> None:
    found = set_for(20_000, parameters, "full")["lr"]
    assert found.value == rate
    assert any(each.agrees for each in found.guides if each.source.startswith(("G2", "G4")))


def test_the_guides_disagreement_over_loras_rate_is_shown() -> None:
    found = set_for(5000)["lr"]
    assert {each.source: each.agrees for each in found.guides} == {"G3": True, "G2": False, "G1 G5": True}
    assert found.flag is None  # the recipe says the same


def test_few_examples_get_a_smaller_rank_and_more_regularisation() -> None:
    found = set_for(400)
    assert {key: found[key].value for key in ("rank", "alpha", "dropout", "weight_decay")} == {
        "rank": 8, "alpha": 16.0, "dropout": 0.1, "weight_decay": 0.1,
    }  # fmt: skip
    assert found["rank"].flag == "rank=8"


def test_code_gets_a_higher_rank() -> None:
    assert set_for(5000, goal="code")["rank"].value == 32


def test_every_flag_is_one_that_the_recipe_takes() -> None:
    for method in ("full", "lora", "qlora", "dora", "prefix", "ia3", "ptuning"):
        for examples in (3, 200, 3000, 70_000):
            nearest = nearest_recipe("chat", method, None, Folders())
            found = settings(nearest.recipe, examples, 10**9, None, RULES.settings)
            flags = [each.flag for each in found if each.flag]
            made = load_recipe(nearest.name, Folders(), flags).recipe
            assert all(getattr(made, each.key) == each.value for each in found)


def test_preferences_keep_their_recipes_rate() -> None:
    recipe = nearest_recipe("preference", "lora", None, Folders()).recipe
    assert {"lr", "epochs"}.isdisjoint(by_key(settings(recipe, 5000, 10**9, None, RULES.settings)))


def test_a_device_without_bf16_computes_in_fp16() -> None:
    lora = next(each for each in offered(40) if each.method == "lora")
    old = Room(40 * GB, "gpu", "old", 36 * GB, bf16=False)
    recipe = load_recipe("lora", Folders()).recipe
    found = by_key(fitted(lora, recipe, old, RULES.memory.device_batch, 7 * 10**9))
    assert found["precision"].value == "fp16"
    assert found["device_batch"].guides[0].said == "4-8 for 7B on 40 GB"


# --- Steps, time, money ---


def recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate_json(
        json.dumps({"version": 1, "objective": "sft", "method": "full", "batch": 16, "epochs": 3, **keys})
    )


def test_steps_are_batches_times_passes() -> None:
    found = work(facts(), recipe(), 1000, 200_000)
    assert found.steps == 3 * math.ceil(1000 / 16)
    assert found.tokens == 600_000
    assert work(facts(), recipe(max_steps=10), 1000, 200_000).steps == 10


def test_packed_sequences_are_as_many_as_tokens_fill() -> None:
    found = work(facts(), recipe(packing=True, max_length=2048), 10_000, 2_048_000)
    assert found.sequences == 1000


def test_replay_adds_its_share() -> None:
    found = work(facts(), recipe(replay={"snapshot": "general", "share": 0.2}), 800, 80_000)
    assert found.examples == 1000
    assert found.tokens == 300_000


def test_full_computes_6nd_and_lora_two_thirds_of_it() -> None:
    """Kaplan et al. 2020, sec. 2.1; attention and the embedding, which is only looked up, are a few percent here."""
    full = work(facts(tied=True), recipe(), 1000, 200_000)
    assert full.flops == pytest.approx(6 * 7e9 * full.tokens, rel=0.02)
    lora = work(facts(tied=True), recipe(method="lora"), 1000, 200_000)
    assert lora.flops / full.flops == pytest.approx(2 / 3)
    again = work(facts(tied=True), recipe(method="lora", checkpoint_activations=True), 1000, 200_000)
    assert again.flops / lora.flops == pytest.approx(3 / 2)


def test_time_is_a_range_or_what_was_seen() -> None:
    found = time_at(1e18, 100, 0.2, 0.5, "")
    assert (found.fastest, found.slowest) == (2e4, 5e4)
    assert time_of(10_000, 100).fastest == 100


def test_the_guides_worked_example_of_cost() -> None:
    """4 h x $100 = $400 against 40 h x $100 + $500 = $4,500, 11 times (G2)."""
    example = RULES.cost_example
    found = Return(example.prompts, example.tuning, 0.15, RULES.decision.gain.value)
    assert (found.prompts, found.tuning) == (400, 4500)
    assert found.ratio == pytest.approx(11.25)
    assert found.worth_it is True
    assert found.for_a_point == pytest.approx(300)
    assert Return(400, 4500, 0.1, 0.1).worth_it is False  # not more than 10 %
    assert Return(400, 4500, None, 0.1).worth_it is None
