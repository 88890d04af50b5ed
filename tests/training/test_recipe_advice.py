"""Values outside of the guides' ranges are told with every guide that speaks of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gate.folders import Folders
from gate.training.advice import Advice, Range, outside_guides
from gate.training.recipe_files import load_recipe


def advice(name: str, *flags: str, parameters: int | None = None, examples: int | None = None) -> dict[str, Advice]:
    found = outside_guides(load_recipe(name, Folders(), flags).recipe, parameters, examples)
    return {each.key: each for each in found}


def guides(ranges: Sequence[Range]) -> set[str]:
    """Every guide alone: `G2, 7B` and `G1 G5` name one and two."""
    return {word for each in ranges for word in each.guide.split(",")[0].split()}


def test_a_rate_that_nobody_recommends() -> None:
    found = advice("lora", "lr=1e-2")["lr"]
    assert found.agreed
    assert guides(found.outside) == {"G1", "G2", "G3", "G5"}
    assert found.message == (
        "lr 0.01 is outside the range of G3 (LoRA 1e-4 to 3e-4), G2 (LoRA 1e-5), G1 G5 (any method 1e-5 to 5e-4)"
    )
    assert found.remedy.startswith("--set lr=3e-4")


def test_guides_that_disagree_are_both_shown() -> None:
    found = advice("lora", "lr=2e-4")["lr"]
    assert not found.agreed
    assert guides(found.outside) == {"G2"}
    assert guides(found.within) == {"G1", "G3", "G5"}
    assert "it may stay" in found.remedy


@pytest.mark.parametrize(
    ("flag", "says"),
    [("lr=1e-8", "--set lr=1e-5: at a rate too low"), ("lr=1e-3", "--set lr=5e-5: a rate too high")],
)
def test_the_remedy_is_the_nearest_value_that_most_recommend(flag: str, says: str) -> None:
    assert advice("full", flag)["lr"].remedy.startswith(says)


@pytest.mark.parametrize(
    ("billions", "outside"), [(1, False), (3.9, False), (4, True), (7, True), (13, True), (70, True)]
)
def test_full_fine_tuning_has_rates_by_size(billions: float, outside: bool) -> None:
    found = advice("full", "lr=2e-5", parameters=int(billions * 1e9))
    assert ("lr" in found and "G2" in guides(found["lr"].outside)) is outside


def test_by_size_adapters_are_not_judged_by_what_is_said_of_weights() -> None:
    found = advice("lora", "lr=2e-4", parameters=70 * 10**9)["lr"]
    assert [each.said for each in found.outside] == ["LoRA 1e-5"]


@pytest.mark.parametrize(
    ("examples", "epochs", "outside"),
    [(500, 5, False), (500, 3, True), (999, 10, False), (1_000, 4, False), (1_000, 5.5, True), (5_000, 2, False),
     (9_999, 3, False), (10_000, 3, True), (10_001, 1, False), (None, 3, False)],
)  # fmt: skip
def test_epochs_go_by_the_number_of_examples(examples: int | None, epochs: float, outside: bool) -> None:
    found = advice("lora", f"epochs={epochs}", examples=examples)
    assert ("epochs" in found and "G2" in guides(found["epochs"].outside)) is outside


def test_epochs_count_for_nothing_where_steps_decide() -> None:
    assert "epochs" in advice("lora", "epochs=30")
    assert "epochs" not in advice("lora", "epochs=30", "max_steps=100")


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        (["rank=256", "alpha=512"], "rank"),
        (["rank=2", "alpha=4"], "rank"),
        (["dropout=0.3"], "dropout"),
        (["batch=1", "device_batch=1"], "batch"),
        (["batch=128"], "batch"),
        (["warmup=0.3"], "warmup"),
        (["weight_decay=0.5"], "weight_decay"),
        (["alpha=8"], "alpha"),
        (["alpha=128"], "alpha"),
    ],
)
def test_other_values_that_nobody_recommends(flags: list[str], key: str) -> None:
    found = advice("lora", *flags)
    assert found[key].agreed
    assert f"--set {key}=" in found[key].remedy


@pytest.mark.parametrize("flags", [["warmup=100"], ["weight_decay=0"], ["alpha=16"], ["alpha=64"], ["warmup=0.1"]])
def test_ends_of_a_range_belong_to_it_and_steps_are_no_share(flags: list[str]) -> None:
    assert set(advice("lora", *flags)) == {"lr", "batch"}  # of which guides disagree


def test_papers_stand_where_guides_are_silent() -> None:
    assert "lr" not in advice("dpo")
    assert advice("dpo", "lr=1e-3")["lr"].agreed
    assert advice("dpo", "lr=1e-3")["lr"].remedy.startswith("--set lr=1e-5")
    assert "Liu et al. 2022" in advice("ia3")["lr"].remedy


def test_what_nobody_recommends_comes_first() -> None:
    found = outside_guides(load_recipe("lora", Folders(), ["warmup=0.5"]).recipe)
    assert [each.agreed for each in found] == [True, False, False]


def test_a_teams_own_figures_take_the_guides_place() -> None:
    from gate.training.advice import _shipped

    settings = _shipped()
    warmup = settings.warmup.model_copy(
        update={"guides": [settings.warmup.guides[0].model_copy(update={"source": "ours", "low": 0.0, "high": 0.01})]}
    )
    found = outside_guides(load_recipe("lora", Folders()).recipe, rules=settings.model_copy(update={"warmup": warmup}))
    (ours,) = [each for each in found if each.key == "warmup"]
    assert (ours.agreed, ours.remedy) == (True, "--set warmup=0.01")
