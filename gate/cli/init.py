"""`gate init`: arguments in, exit code out."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  gate init
  gate init my-dataset/ --ci gitlab
  gate init --path data/train --path data/test --kind chat

\b
Exit codes: 0 done (what was there already is left alone), 2 nothing was written that could not be.
"""


@click.command("init", epilog=EPILOG)
@click.argument("folder", metavar="[DIR]", default=".")
@click.option("--path", "-p", "paths", multiple=True, metavar="PATH", help="Where the data is; looked for otherwise.")
@click.option(
    "--kind",
    "-k",
    "kinds",
    multiple=True,
    type=click.Choice(["chat", "preference", "feedback", "text"]),
    help="Begin a policy of your own for this kind of example. May repeat.",
)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    help="Whose workflow files to write; by what the repository has otherwise.",
)
def command(folder: str, paths: tuple[str, ...], kinds: tuple[str, ...], ci: str | None) -> int:
    """Set a repository of data up: settings, workflow files, a pre-commit hook. Nothing is ever overwritten.

    DIR is the top of the repository, here where it is not given.
    """
    from typing import cast

    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from gate.data.frame import Kind
    from gate.reporting.inert import one_line
    from gate.verbs.init import Ci, init

    result = init(folder, paths=paths, kinds=cast("list[Kind]", list(kinds)), ci=cast("Ci | None", ci))
    console = Console(stderr=True, highlight=False)
    words = {"written": "wrote", "added": "added a line to", "left": "left alone"}
    for file in result.files:
        style = "dim" if file.status == "left" else "bold"
        console.print(Text.assemble((f"{words[file.status]} {one_line(file.path)}", style)), soft_wrap=True)
        console.print(Padding(Text(file.why, style="dim"), (0, 0, 0, 2)))
        if file.status == "left" and file.advice is not None:
            console.print(Padding(Text(f"To have it, put this into it:\n{file.advice}", style="dim"), (0, 0, 0, 2)))
    console.print()
    if result.guessed:
        console.print(
            Text(f"No data was found: put it at {one_line(result.paths[0])}/, or change `paths:` in gate.yaml.")
        )
    console.print(Text("What to do next:", style="bold"))
    for step in (
        "gate check                    judge the data as it is",
        "gate fix DATA --out DIR       mend what can be mended safely",
        "git add -A && git commit      the workflow runs from the next pull request on",
    ):
        console.print(Text(f"  {step}"))
    console.print(
        Text(
            "Have changes of gate.yaml and rules/ looked at by their owners: put these lines into CODEOWNERS:",
            style="dim",
        )
    )
    console.print(Text("  /gate.yaml @your-team\n  /rules/    @your-team", style="dim"))
    return 0
