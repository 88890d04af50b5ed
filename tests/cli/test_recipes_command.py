"""`gate recipes`: what there is, what one says in full, and a copy to change."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from gate.folders import SHIPPED, Folders
from gate.training.recipe_files import load_recipe, recipe_names


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs `gate` in an empty repository, in this process."""
    from gate.cli import run as command

    (tmp_path / ".git").mkdir()

    def run(*arguments: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gate", *arguments])
        with pytest.raises(SystemExit) as ended:
            command()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Done(int(str(ended.value.code)), out.decode(), err.decode())

    return run


def test_ls_shows_every_recipe_and_what_it_needs(gate: Run) -> None:
    done = gate("recipes", "ls")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert set(rows) == set(recipe_names(Folders()))
    assert rows["qlora"].split()[1:3] == ["sft", "qlora"]
    assert "--set reward_model=…" in rows["rloo"]
    assert done.stderr == ""


def test_ls_for_programs(gate: Run) -> None:
    listed = json.loads(gate("recipes", "ls", "-o", "json").stdout)
    assert listed["schema"] == "gate.recipes/1"
    (lora,) = [each for each in listed["recipes"] if each["name"] == "lora"]
    assert (lora["objective"], lora["method"], lora["needs"], lora["problem"]) == ("sft", "lora", [], None)


def test_ls_shows_a_broken_recipe_of_ones_own_and_goes_on(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "trainers" / "recipes").mkdir(parents=True)
    (tmp_path / "trainers" / "recipes" / "ours.yaml").write_text("version: 1\nextends: lora\nepoch: 3\n")
    done = gate("recipes", "ls")
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ours")]
    assert "trainers/recipes/ours.yaml:3" in line
    assert "qlora" in done.stdout


def test_show_says_where_each_value_was_written(gate: Run) -> None:
    lines = gate("recipes", "show", "lora", "--set", "lr=1e-4").stdout.splitlines()
    said = {line.partition(":")[0]: line for line in lines}
    assert said["lr"].split() == [
        "lr:",
        "1e-4" if "1e-4" in said["lr"].split()[1] else "0.0001",
        "#",
        "--set",
        "lr=1e-4",
    ]
    number = int(said["rank"].rpartition(":")[2])
    source = (SHIPPED / "trainers" / "recipes" / "lora.yaml").read_text().splitlines()
    assert source[number - 1].startswith("rank: 16")
    assert said["seed"].endswith("# default")
    assert "beta" not in said


@pytest.mark.parametrize("name", recipe_names(Folders()))
def test_what_show_prints_is_a_recipe_again(gate: Run, tmp_path: Path, name: str) -> None:
    flags = ["--set", "replay={snapshot: gen eral, share: 0.15}", "--set", "mixture.a.b=2"]
    printed = gate("recipes", "show", name, *flags).stdout
    (tmp_path / "again.yaml").write_text(printed)
    again = load_recipe(str(tmp_path / "again.yaml"), Folders(), complete=False)
    first = load_recipe(name, Folders(), flags[1::2], complete=False)
    assert again.document() == first.document()
    assert again.recipe.about == first.recipe.about


@pytest.mark.parametrize(
    "text", ["null", "no", "1", "1e-4", "a: b", "# x", "- x", "[x", "'", '"', " x", "ü", "&a", "*a", "2026-01-01"]
)
def test_text_that_looks_like_something_else_stays_text(gate: Run, tmp_path: Path, text: str) -> None:
    printed = gate("recipes", "show", "classify", "--set", f"label={json.dumps(text)}").stdout
    (tmp_path / "again.yaml").write_text(printed)
    assert load_recipe(str(tmp_path / "again.yaml"), Folders()).recipe.label == text


def test_show_tells_what_the_guides_say_against_it(gate: Run) -> None:
    printed = gate("recipes", "show", "lora", "--set", "lr=0.01").stdout
    assert "# warning: lr 0.01 is outside the range of G3 (LoRA 1e-4 to 3e-4)" in printed
    assert "#   --set lr=3e-4" in printed


def test_show_names_what_is_still_needed(gate: Run) -> None:
    (line,) = [line for line in gate("recipes", "show", "classify").stdout.splitlines() if line.startswith("label")]
    assert line.endswith("# needed: --set label=…")


def test_show_for_programs(gate: Run) -> None:
    shown = json.loads(gate("recipes", "show", "qlora", "-o", "json").stdout)
    assert shown["schema"] == "gate.recipe/1"
    assert shown["recipe"]["quantisation"] == "nf4"
    assert shown["digest"] == load_recipe("qlora", Folders()).digest()
    assert shown["origins"]["rank"].startswith("trainers/recipes/lora.yaml:")
    assert shown["origins"]["seed"] is None
    assert shown["script"] == "trainers/sft.py"
    assert [each["key"] for each in shown["advice"]] == ["lr", "batch"]


def test_a_copy_is_found_first(gate: Run, tmp_path: Path) -> None:
    done = gate("recipes", "copy", "lora")
    assert done.returncode == 0
    assert "wrote" in done.stderr
    assert "--recipe lora means this file now" in done.stderr
    own = tmp_path / "trainers" / "recipes" / "lora.yaml"
    assert own.read_bytes() == (SHIPPED / "trainers" / "recipes" / "lora.yaml").read_bytes()
    assert (tmp_path / "trainers" / "sft.py").read_bytes() == (SHIPPED / "trainers" / "sft.py").read_bytes()
    own.write_text(own.read_text().replace("rank: 16", "rank: 8"))
    shown = gate("recipes", "show", "lora").stdout
    assert "rank: 8" in shown
    assert "# trained by trainers/sft.py" in shown
    assert "# trained by gate:trainers/preference.py" in gate("recipes", "show", "dpo").stdout


def test_a_copy_may_have_another_name_and_go_without_its_script(gate: Run, tmp_path: Path) -> None:
    assert gate("recipes", "copy", "dpo", "sub/team", "--as", "our-dpo", "--no-script").returncode == 0
    files = [path.relative_to(tmp_path).as_posix() for path in (tmp_path / "sub").rglob("*") if path.is_file()]
    assert files == ["sub/team/trainers/recipes/our-dpo.yaml"]


def test_a_copy_goes_where_it_is_looked_up(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text("paths: data\n")
    done = gate("recipes", "copy", "lora", "sub")
    assert done.returncode == 2
    assert f"name {tmp_path}" in done.stderr
    assert gate("recipes", "copy", "lora", str(tmp_path)).returncode == 0


def test_recipes_beside_data_do_not_hide_the_rules_above_it(tmp_path: Path) -> None:
    from gate.policy.settings import find_settings

    (tmp_path / ".git").mkdir()
    (tmp_path / "data" / "trainers" / "recipes").mkdir(parents=True)
    assert find_settings(tmp_path / "data").folder == tmp_path / "data"
    (tmp_path / "rules" / "admission").mkdir(parents=True)
    assert find_settings(tmp_path / "data").folder == tmp_path


def test_a_configuration_of_accelerate_is_copied_likewise(gate: Run, tmp_path: Path) -> None:
    assert gate("recipes", "copy", "fsdp").returncode == 0
    assert (tmp_path / "trainers" / "accelerate" / "fsdp.yaml").is_file()


def test_nothing_is_overwritten_unasked(gate: Run, tmp_path: Path) -> None:
    script = tmp_path / "trainers" / "sft.py"
    script.parent.mkdir()
    script.write_text("# ours\n")
    done = gate("recipes", "copy", "lora")
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert script.read_text() == "# ours\n"
    assert not (tmp_path / "trainers" / "recipes").exists()
    done = gate("recipes", "copy", "lora", "--force")
    assert done.returncode == 0
    assert "replaced" in done.stderr
    assert script.read_text() != "# ours\n"


def test_force_gives_gates_own_back(gate: Run, tmp_path: Path) -> None:
    gate("recipes", "copy", "lora")
    own = tmp_path / "trainers" / "recipes" / "lora.yaml"
    shipped = own.read_bytes()
    assert "left alone" in gate("recipes", "copy", "lora").stderr
    own.write_bytes(shipped + b"seed: 3\n")
    assert gate("recipes", "copy", "lora").returncode == 2
    assert gate("recipes", "copy", "lora", "--force").returncode == 0
    assert own.read_bytes() == shipped


def test_a_link_is_not_written_through(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "trainers").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "trainers" / "sft.py").symlink_to(victim)
    assert gate("recipes", "copy", "lora", "--force").returncode == 2
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "lorra"], "did you mean 'lora'"),
        (["show", "lora", "--set", "rank"], "--set lr=2e-4"),
        (["show", "lora", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["show", "lora", "--set", "learning_rate=3"], "called 'lr' here"),
        (["show"], "NAME"),
        (["copy", "lorra"], "did you mean 'lora'"),
        (["copy", "lora", "--as", "../x"], "no name of a recipe"),
        (["copy", "lora", "/proc/nowhere"], "cannot be written"),
        (["list"], "list"),
    ],
)
def test_a_mistake_is_exit_2_with_a_remedy(gate: Run, arguments: list[str], says: str) -> None:
    done = gate("recipes", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_is_printed(gate: Run) -> None:
    schema = json.loads(gate("recipes", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "lr" in schema["properties"]
