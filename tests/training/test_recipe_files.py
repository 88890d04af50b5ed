"""A recipe is read with everything it extends, flags last; a mistake is told with its place and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import Folders
from gate.training.recipe import Recipe
from gate.training.recipe_files import FOREIGN, load_recipe, recipe_names

OWN = "version: 1\nextends: lora\nrank: 8\nalpha: 16\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "trainers" / "recipes").mkdir(parents=True)
    return tmp_path


def written(repository: Path, text: str, name: str = "ours") -> Folders:
    (repository / "trainers" / "recipes" / f"{name}.yaml").write_text(text, "utf-8")
    return Folders(repository)


def refused(name: str, folders: Folders, *overrides: str) -> PolicyError:
    with pytest.raises(PolicyError) as raised:
        load_recipe(name, folders, overrides)
    assert raised.value.remedy, raised.value
    return raised.value


def test_what_a_recipe_does_not_say_it_inherits(repository: Path) -> None:
    resolved = load_recipe("ours", written(repository, OWN))
    assert (resolved.recipe.rank, resolved.recipe.alpha, resolved.recipe.lr) == (8, 16, 2e-4)
    assert resolved.files == ("trainers/recipes/ours.yaml", "gate:trainers/recipes/lora.yaml")
    assert resolved.place("rank") == "trainers/recipes/ours.yaml:3"
    assert str(resolved.place("lr")).startswith("gate:trainers/recipes/lora.yaml:")
    assert "seed" not in resolved.places


def test_a_users_recipe_may_extend_gates_of_the_same_name(repository: Path) -> None:
    resolved = load_recipe("lora", written(repository, OWN, "lora"))
    assert (resolved.recipe.rank, resolved.recipe.epochs) == (8, 3)


def test_several_parents_the_last_wins_and_a_path_is_beside_the_file(repository: Path) -> None:
    written(repository, "version: 1\nlr: 1e-5\nbatch: 8\n", "slow")
    folders = written(repository, "version: 1\nextends: [lora, slow.yaml]\nbatch: 4\n")
    recipe = load_recipe("ours", folders).recipe
    assert (recipe.lr, recipe.batch, recipe.rank) == (1e-5, 4, 16)


def test_flags_come_last_and_the_last_of_them_wins(repository: Path) -> None:
    folders = written(repository, OWN)
    resolved = load_recipe("ours", folders, ["lr=1e-4", "rank=4", "lr=3e-4"])
    assert (resolved.recipe.lr, resolved.recipe.rank) == (3e-4, 4)
    assert resolved.place("lr") == "--set lr=3e-4"


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (["loggers=[tensorboard]"], "loggers", ["tensorboard"]),
        (["targets=[q_proj, v_proj]"], "targets", ["q_proj", "v_proj"]),
        (["replay={snapshot: general, share: 0.2}"], "replay", {"snapshot": "general", "share": 0.2}),
        (["replay.snapshot=general", "replay.share=0.2"], "replay", {"snapshot": "general", "share": 0.2}),
        (["ewc={strength: 3, snapshot: old}", "ewc.examples=5"], "ewc",
         {"strength": 3, "snapshot": "old", "examples": 5}),
        (["monitor.suite=s", "monitor.then=stop"], "monitor",
         {"suite": "s", "every": 100, "margin": 0.03, "then": "stop"}),
        (["mixture.support.v2=2", "mixture.faq=0.5"], "mixture", {"support.v2": 2, "faq": 0.5}),
        (["max_length=512"], "max_length", 512),
        (["checkpoint_activations=true"], "checkpoint_activations", True),
    ],
)  # fmt: skip
def test_values_of_flags_are_yaml_and_lead_into_parts(flags: list[str], key: str, value: object) -> None:
    assert load_recipe("lora", Folders(), flags).document()[key] == value


def test_parts_are_overlaid_key_by_key_and_null_takes_away(repository: Path) -> None:
    base = "version: 1\nextends: lora\nreplay: {snapshot: general, share: 0.2}\nmax_length: 64\nrank: 4\nalpha: 8\n"
    written(repository, base, "general")
    folders = written(repository, "version: 1\nextends: general\nreplay: {share: 0.1}\nmax_length: null\n")
    recipe = load_recipe("ours", folders).recipe
    assert recipe.replay is not None
    assert (recipe.replay.snapshot, recipe.replay.share, recipe.max_length) == ("general", 0.1, None)
    assert load_recipe("ours", folders, ["replay=null"]).recipe.replay is None
    resolved = load_recipe("ours", folders, ["rank=null", "alpha=null"])
    assert (resolved.recipe.rank, "rank" in resolved.places) == (16, False)


def test_the_same_demands_have_the_same_digest(repository: Path) -> None:
    folders = written(repository, "version: 1\nextends: lora\nabout: ours\nbatch: 16\n")
    assert load_recipe("ours", folders).digest() == load_recipe("lora", folders).digest()
    assert load_recipe("ours", folders, ["seed=1"]).digest() != load_recipe("lora", folders).digest()


def test_what_a_method_does_not_know_is_no_part_of_what_it_demands() -> None:
    assert "rank" not in load_recipe("full", Folders()).document()
    assert "beta" not in load_recipe("lora", Folders()).document()
    assert "beta" in load_recipe("dpo", Folders()).document()


# --- Mistakes -------------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_told_with_its_line_and_the_nearest(repository: Path) -> None:
    error = refused("ours", written(repository, OWN + "epoch: 3\n"))
    assert error.where == "trainers/recipes/ours.yaml:5"
    assert "did you mean 'epochs'" in str(error.remedy)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_another_trainers_name_for_a_key_is_told_as_ours(foreign: str) -> None:
    assert FOREIGN[foreign] in Recipe.model_fields
    assert foreign not in Recipe.model_fields
    error = refused("lora", Folders(), f"{foreign}=1")
    assert f"called {FOREIGN[foreign]!r} here" in str(error.remedy)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("lr", "not `key=value`"),
        ("=3", "not `key=value`"),
        ("lr=", "lr: has no value"),
        ("lr=abc", "valid number"),
        ("lr=.nan", "not a finite number"),
        ("lr=.inf", "not a finite number"),
        ("lr=1e999", "not a finite number"),
        ("lr=-1e-4", "greater than 0"),
        ("lr=0", "greater than 0"),
        ("lr='2e-4'", "valid number"),
        ("lr=1: 2", "not YAML"),
        ("lr=[1", "not YAML"),
        ("lr=1\nrank: 2", "more than one value"),
        ("rank=16.5", "valid integer"),
        ("rank=true", "valid integer"),
        ("packing=yes", "valid boolean"),
        ("dropout=1.5", "less than or equal to 1"),
        ("epochs=0", "greater than 0"),
        ("seed=4294967296", "less than 4294967296"),
        ("rank=99999999999999999999", "64 bits"),
        ("method=lorra", "'lora'"),
        ("targets=everything", "'all-linear'"),
        ("targets=[]", "no layer is named"),
        ("extends=full", "a key of files"),
        ("lr.x=1", "lr.x: there is no such key"),
        ("replay.shares=0.1", "replay.shares: there is no such key"),
        ("replay.share=0.1", "replay.snapshot: missing"),
        ("mixture.a=0", "greater than 0"),
        ("mixture.a=-1", "Several snapshots and their weights"),
        ("batch=10", "cannot be reached by accumulating 4"),
        ("device_batch=5", "cannot be reached by accumulating 5"),
        ("warmup=1.5", "neither a share"),
        ("loggers=[visdom]", "'tensorboard'"),
        ("version=2", "version"),
        ("lr=!!python/object 1", "tag"),
        ("lr=*a", "alias"),
        ("mixture={a: 1, a: 2}", "twice"),
        ("loggers=[\x1b]", "YAML does not allow"),
    ],
)
def test_a_wrong_flag_is_told_as_it_was_typed(flag: str, says: str) -> None:
    with pytest.raises(PolicyError) as raised:
        load_recipe("lora", Folders(), [flag])
    assert says in str(raised.value)
    assert str(raised.value.where).startswith("--set "), raised.value


@pytest.mark.parametrize(
    ("recipe", "flags", "key"),
    [
        ("full", ["rank=4"], "rank"),
        ("lora", ["method=full", "targets=null", "alpha=null", "dropout=null"], "rank"),
        ("lora", ["beta=0.1"], "beta"),
        ("lora", ["virtual_tokens=4"], "virtual_tokens"),
        ("lora", ["label=class"], "label"),
        ("lora", ["generations=8"], "generations"),
        ("classify", ["label=class", "kl=0.1"], "kl"),
        ("dpo", ["kl=0.1"], "kl"),
        ("dpo", ["packing=true"], "packing"),
        ("reward", ["canaries=4"], "canaries"),
        ("classify", ["label=class", "ewc={strength: 1, snapshot: old}"], "ewc"),
        ("full", ["quantisation=nf4"], "quantisation"),
        ("prefix", ["freeze_layers=1"], "freeze_layers"),
        ("prefix", ["packing=true"], "packing"),
        ("prefix", ["checkpoint_activations=true"], "checkpoint_activations"),
        ("prefix", ["l2sp=0.1"], "l2sp"),
        ("reward", ["monitor.suite=x"], "monitor"),
        ("qlora", ["quantisation=none"], "quantisation"),
        ("qlora", ["quantisation=int8"], "quantisation"),
        ("lora", ["double_quantisation=true"], "double_quantisation"),
        ("lora", ["method=adapter"], "method"),
        ("lora", ["max_steps=10", "warmup=20"], "warmup"),
        ("kto", ["device_batch=1"], "device_batch"),
        ("classify", [], "label"),
        ("rloo", [], "reward_model"),
        ("grpo", ["reward_model=judge", "generations=5"], "batch"),
        ("head", ["objective=sft"], "method"),
    ],
)
def test_what_does_not_go_together_is_refused(recipe: str, flags: list[str], key: str) -> None:
    error = refused(recipe, Folders(), *flags)
    assert error.what.startswith(f"{key}: "), error
    assert error.where


def test_a_key_that_asks_for_nothing_may_stand_anywhere() -> None:
    flags = ["kl=0", "packing=false", "freeze_layers=0", "quantisation=none", "ewc=null", "label=null", "canaries=0"]
    assert load_recipe("full", Folders(), flags).digest() == load_recipe("full", Folders()).digest()


def test_bottleneck_adapters_say_why_they_cannot_be_had() -> None:
    error = refused("lora", Folders(), "method=adapter")
    assert "transformers 4.57" in error.what
    assert error.where == "--set method=adapter"


def test_an_incomplete_recipe_may_be_looked_at() -> None:
    assert load_recipe("rloo", Folders(), complete=False).needs == ("reward_model",)
    assert load_recipe("rloo", Folders(), ["reward_model=judge"]).needs == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("- a\n", "key: value"),
        ("extends: lora\n", "version"),
        ("version: 2\nextends: lora\n", "version"),
        ("version: true\nextends: lora\n", "version"),
        ("version: 1\nextends: ours\n", "extends itself"),
        ("version: 1\nextends: [lora, 3]\n", "extends: not a recipe's name"),
        ("version: 1\nextends: lorra\n", "there is no recipe 'lorra'"),
        ("version: 1\nextends: ../../../outside.yaml\n", "leads out of the repository"),
        ("version: 1\nextends: lora\nlr: .inf\n", "not a finite number"),
        ("version: 1\nextends: lora\nlr:\n", "lr: has no value"),
        ("version: 1\nobjective: sft\n", "method: missing"),
        ("version: 1\nextends: full\nrank: 8\n", "rank: `method: full` does not know it"),
        ("version: 1\nextends: lora\nlr: 1e-4\nlr: 1e-5\n", "twice"),
    ],
)
def test_a_broken_file_is_told_with_its_name(repository: Path, text: str, says: str) -> None:
    (repository.parent / "outside.yaml").write_text("version: 1\n")
    folders = written(repository, text)
    error = refused("ours", folders)
    assert says in str(error)
    assert str(error.where).startswith(("trainers/recipes/ours.yaml", "gate:trainers/recipes/"))


def test_a_circle_of_recipes_is_told(repository: Path) -> None:
    written(repository, "version: 1\nextends: b\n", "a")
    error = refused("a", written(repository, "version: 1\nextends: a\n", "b"))
    assert "a.yaml → trainers/recipes/b.yaml → trainers/recipes/a.yaml" in error.what


def test_a_link_out_of_the_repository_is_refused(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "r.yaml"
    outside.write_text(OWN)
    (repository / "trainers" / "recipes" / "ours.yaml").symlink_to(outside)
    assert "leads out" in refused("ours", Folders(repository)).what


@pytest.mark.parametrize("name", ["lorra", "../lora", "lo ra", "", "nowhere/lora.yaml", "no.yaml", "\x00"])
def test_a_recipe_that_is_not_there(name: str) -> None:
    assert "the recipes are" in str(refused(name, Folders()).remedy)


def test_names_are_the_users_and_gates(repository: Path) -> None:
    assert {"ours", "lora", "full"} <= set(recipe_names(written(repository, OWN)))


def test_what_a_recipe_refuses_and_what_training_refuses_are_the_same() -> None:
    """The recipe is refused first, before anything is loaded."""
    from gate.training import guards, rows
    from gate.training.recipe_keys import OBJECTIVES

    assert set(OBJECTIVES["canaries"]) == set(rows._WITH_CANARIES)
    assert set(OBJECTIVES["kl"]) == set(guards.KL_OBJECTIVES)
