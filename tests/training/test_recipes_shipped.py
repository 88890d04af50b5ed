"""The recipes that ship: each loads, says where its figures come from, and leaves no figure unexplained."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

from gate.folders import SHIPPED, Folders
from gate.policy.yaml_file import read_yaml
from gate.training.advice import outside_guides
from gate.training.recipe import SCRIPTS, Recipe
from gate.training.recipe_files import FOLDER, load_recipe, recipe_names
from gate.verbs.schemas import recipe_schema

NEEDS = {
    "classify": ["label=category"],
    "head": ["label=category"],
    "rloo": ["reward_model=r"],
    "grpo": ["reward_model=r"],
}
NAMES = recipe_names(Folders())
ASKED_FOR = {
    "lora", "lora-code", "qlora", "dora", "rslora", "full", "frozen", "prefix", "ptuning", "ia3", "dpo", "orpo", "kto",
    "pretrain", "multitask", "reward", "rloo", "grpo", "classify", "head",
}  # fmt: skip


def path(name: str) -> Path:
    return SHIPPED / FOLDER / f"{name}.yaml"


def test_every_recipe_that_was_asked_for_ships() -> None:
    assert set(NAMES) == ASKED_FOR


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_says_what_it_is_for(name: str) -> None:
    resolved = load_recipe(name, Folders(), NEEDS.get(name, []))
    assert resolved.recipe.about
    assert not resolved.needs
    assert (SHIPPED / "trainers" / f"{SCRIPTS[resolved.recipe.objective]}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_run_json_gives_the_same_recipe_back(name: str) -> None:
    recipe = load_recipe(name, Folders(), NEEDS.get(name, [])).recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_source_beside_it(name: str) -> None:
    """Of what stands after `about`, `objective` and `method`."""
    for line in path(name).read_text("utf-8").splitlines():
        key = line.partition(":")[0]
        if key in Recipe.model_fields and key not in ("version", "about", "objective", "method"):
            text = line.partition("#")[2]
            plain = {"quantisation", "device_batch", "max_new_tokens", "virtual_tokens", "generations", "samples"}
            assert text or key in plain, (name, line)


def test_the_recipes_name_the_guides_and_papers() -> None:
    for name in NAMES:
        assert re.search(r"\bG[1-5]\b|\(\w+ et al\. \d{4}\)|\bpaper", path(name).read_text("utf-8")), name


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_is_one_that_nobody_recommends(name: str) -> None:
    """Guides disagree, but each shipped value has at least one of them, or a paper, behind it."""
    recipe = load_recipe(name, Folders(), NEEDS.get(name, [])).recipe
    assert [each.message for each in outside_guides(recipe) if each.agreed] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_by_the_published_schema(name: str) -> None:
    jsonschema.Draft202012Validator(recipe_schema()).validate(read_yaml(path(name), name).values)


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"version": 1, "extends": "lora"}, True),
        ({"version": 1, "extends": ["lora", "ours.yaml"], "replay": {"share": 0.1}, "max_length": None}, True),
        ({"extends": "lora"}, False),
        ({"version": 2}, False),
        ({"version": 1, "learning_rate": 1e-4}, False),
        ({"version": 1, "lr": -1}, False),
        ({"version": 1, "lr": None}, False),
        ({"version": 1, "method": "lorra"}, False),
        ({"version": 1, "replay": {"shares": 0.1}}, False),
        ({"version": 1, "loggers": ["visdom"]}, False),
    ],
)
def test_the_schema_knows_what_gate_knows(values: dict[str, object], valid: bool) -> None:
    errors = list(jsonschema.Draft202012Validator(recipe_schema()).iter_errors(values))
    assert (not errors) is valid, errors


def test_the_scale_of_the_update_is_the_same_at_every_rank() -> None:
    """alpha / rank, and alpha / sqrt(rank) under rsLoRA."""
    for name in ("lora", "lora-code", "qlora", "dora", "multitask", "dpo", "classify"):
        recipe = load_recipe(name, Folders(), NEEDS.get(name, [])).recipe
        assert recipe.alpha / recipe.rank == 2, name
    recipe = load_recipe("rslora", Folders()).recipe
    assert recipe.alpha / recipe.rank**0.5 == 2
