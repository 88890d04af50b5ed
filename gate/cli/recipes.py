"""`gate recipes`: arguments in, exit code out."""

from __future__ import annotations

import sys

import click

from gate.cli.output_option import output_option

EPILOG = """\b
Examples:
  gate recipes ls
  gate recipes show lora --set lr=1e-4
  gate recipes copy lora --as our-lora
  gate recipes schema > recipe.schema.json

\b
A recipe is a file, trainers/recipes/NAME.yaml: your repository's own comes first,
then gate's. Exit codes: 0 done, 2 a recipe does not say something gate can do.
"""
SHOW_EPILOG = """\b
Examples:
  gate recipes show lora
  gate recipes show qlora --set rank=8 --set alpha=16 --output json
  gate recipes show lora --set replay.snapshot=general --set replay.share=0.15
  gate recipes show lora > our.yaml    # a recipe again
"""
COPY_EPILOG = """\b
Examples:
  gate recipes copy lora
  gate recipes copy dpo training/ --as our-dpo
  gate recipes copy lora --no-script
  gate recipes copy fsdp               # a configuration of accelerate
"""


@click.group("recipes", epilog=EPILOG)
def command() -> None:
    """List the recipes for training, show one in full, and copy one to change it.

    A recipe says how to train: objective, method, and every figure, with its source. gate train --recipe NAME runs it.
    """


@command.command("ls", epilog="\b\nExamples:\n  gate recipes ls\n  gate recipes ls -o json\n")
@output_option()
def ls(output: str) -> int:
    """List the recipes: what each learns, and what of the model it trains."""
    from gate.verbs.recipes import list_recipes

    recipes = list_recipes()
    if output == "json":
        import orjson

        content = {"schema": "gate.recipes/1", "recipes": recipes}
        sys.stdout.buffer.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        from rich.console import Console

        from gate.reporting.recipes_terminal import render_recipes

        render_recipes(recipes, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    return 2 if any(recipe.problem for recipe in recipes) else 0


@command.command("show", epilog=SHOW_EPILOG)
@click.argument("name", metavar="NAME|FILE")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Over the recipe's, such as lr=1e-4.")
@output_option("yaml", told="A recipe again, or for programs.")
def show(name: str, overrides: tuple[str, ...], output: str) -> int:
    """Show a recipe in full: defaults included, where each value was written, and what the guides say against it."""
    from gate.reporting.recipes_terminal import recipe_json, recipe_yaml
    from gate.verbs.recipes import show_recipe

    shown = show_recipe(name, overrides)
    sys.stdout.buffer.write(recipe_json(shown) if output == "json" else recipe_yaml(shown).encode())
    return 0


@command.command("copy", epilog=COPY_EPILOG)
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--as", "rename", metavar="NAME", help="Call the recipe so; else it takes the place of gate's own.")
@click.option("--no-script", is_flag=True, help="Copy the recipe only, not the script that trains by it.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def copy(name: str, folder: str | None, rename: str | None, no_script: bool, force: bool) -> int:
    """Copy a recipe and the script that trains by it into your repository's trainers/, where they are found first.

    DIR is the top of the repository; the nearest folder upwards with gate.yaml or rules/, or this one, where it is
    not given. Nothing is overwritten without --force.
    """
    from rich.console import Console

    from gate.reporting.recipes_terminal import render_copied
    from gate.verbs.recipes import copy_recipe

    files = copy_recipe(name, folder, rename=rename, script=not no_script, force=force)
    render_copied(files, Console(stderr=True, highlight=False))
    return 0


@command.command("schema", epilog="\b\nExamples:\n  gate recipes schema > recipe.schema.json\n")
def schema() -> int:
    """Print the JSON Schema of a recipe's file, for editors."""
    import orjson

    from gate.verbs.schemas import recipe_schema

    sys.stdout.buffer.write(orjson.dumps(recipe_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0
