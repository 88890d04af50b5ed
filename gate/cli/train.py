"""`gate train`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Examples:
  gate train --snapshot support-desk --base models/qwen3-1.7b --recipe lora --trust trust.yaml
  gate train --snapshot faq=2 --snapshot chats=1 --base DIR --recipe multitask --set lr=1e-4
  gate train --snapshot support-desk --base DIR --recipe qlora --launch fsdp --dry-run
  gate train --resume support-desk-lora-1 --trust trust.yaml

\b
Exit codes: 0 trained, and the statement is sealed; 1 a snapshot may not be used, or training
failed on its merits (rows lost, NaN); 2 usage or recipe error: nothing was started; 4 the trainer
broke (out of memory, a crash); 130 or 143 interrupted: --resume goes on.
"""


@click.command("train", epilog=EPILOG)
@click.option(
    "--snapshot",
    "-s",
    "snapshots",
    multiple=True,
    metavar="NAME[=WEIGHT]",
    help="An approved snapshot: its name or id; several are mixed by their weights.",
)
@click.option("--base", "-b", metavar="DIR|HUB_ID", help="The model to start from.")
@click.option("--recipe", "-r", metavar="NAME|FILE", help="How to train (gate recipes ls).")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Over the recipe's, such as lr=1e-4.")
@click.option("--name", "-n", metavar="RUN", help="What to call the run; else SNAPSHOT-RECIPE-N.")
@click.option("--script", metavar="FILE", help="A trainer's script of your own (gate recipes copy).")
@click.option(
    "--launch",
    default="one",
    show_default=True,
    metavar="cpu|one|ddp|fsdp|zero2|zero3|FILE",
    help="On what: a shipped configuration of accelerate, or a file of yours.",
)
@click.option(
    "--criteria",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="The promotion policy that the candidate will be judged by; bound before training.",
)
@click.option("--chat-template", metavar="FILE", help="The chat template, for a base that brings none.")
@click.option(
    "--allow-code",
    multiple=True,
    metavar="NAME@DIGEST",
    help="Let this very base run Python of its own; refused otherwise.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the command and the recipe, start nothing.")
@click.option("--resume", metavar="RUN", help="Go on with a run from its last whole checkpoint.")
@store_option
@trust_options
@key_options
@click.option("--output", "-o", type=click.Choice(["json"]), help="Also write what came of it, for programs.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    snapshots: tuple[str, ...],
    base: str | None,
    recipe: str | None,
    overrides: tuple[str, ...],
    name: str | None,
    script: str | None,
    launch: str,
    criteria: str,
    chat_template: str | None,
    allow_code: tuple[str, ...],
    dry_run: bool,
    resume: str | None,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    output: str | None,
    quiet: bool,
) -> int:
    """Train a candidate on approved snapshots, and sign what it was made of.

    Every snapshot is verified first: signatures, approvals, revocations, every byte. Then the base, the recipe and the
    room are checked, and the trainer starts in a process of its own. Everything of a run lies in the store's
    runs/RUN/; its candidate/ is what came out. A run that was interrupted, or broke, goes on with --resume.
    """
    from rich.console import Console

    from gate.errors import GateError, UsageError
    from gate.reporting.train_terminal import Screen, document, dry_run_document, failure, render_dry_run
    from gate.verbs import train as verb
    from gate.verbs.surroundings import open_signer, open_trust

    if resume is not None:
        given = {
            "--snapshot": snapshots, "--base": base, "--recipe": recipe, "--set": overrides, "--name": name,
            "--script": script, "--chat-template": chat_template, "--dry-run": dry_run,
        }  # fmt: skip
        if wrong := [flag for flag, value in given.items() if value]:
            raise UsageError(
                f"{wrong[0]} goes with a new run, and --resume goes on with one as it began",
                remedy=f"leave {' '.join(wrong)} away, or leave --resume away",
            )
    elif missing := [flag for flag, value in (("--base", base), ("--recipe", recipe)) if not value]:
        remedies = {"--base": "a folder with a model, or a hub's id", "--recipe": "`gate recipes ls` lists them"}
        raise UsageError(f"{missing[0]} is needed", remedy=remedies[missing[0]])
    console = Console(stderr=True, quiet=quiet, highlight=False)
    open_trust(trust, trust_revision)  # what is wrong with it is said before a passphrase is asked for
    if dry_run:
        with Screen(console) as screen:
            prepared = verb.prepare(
                snapshots, base=base or "", recipe=recipe or "", overrides=overrides, name=name, script=script,
                launch=launch, criteria=criteria, template=_template(chat_template), allow_code=allow_code,
                store=store, trust=trust, trust_revision=trust_revision, on_stage=screen.on_stage,
            )  # fmt: skip
        if output:
            sys.stdout.buffer.write(dry_run_document(prepared))
        else:
            render_dry_run(prepared, Console(highlight=False, quiet=quiet))
        return 0
    signer = open_signer(key)
    try:
        with Screen(console) as screen:
            watching = verb.Watching(screen.on_stage, screen.on_prepared, screen.on_event, screen.on_note)
            if resume is not None:
                trained = verb.resume(
                    resume, allow_code=allow_code, store=store, trust=trust, trust_revision=trust_revision,
                    signer=signer, watching=watching,
                )  # fmt: skip
            else:
                trained = verb.train(
                    snapshots, base=base or "", recipe=recipe or "", overrides=overrides, name=name, script=script,
                    launch=launch, criteria=criteria, template=_template(chat_template), allow_code=allow_code,
                    store=store, trust=trust, trust_revision=trust_revision, signer=signer, watching=watching,
                )  # fmt: skip
    except GateError as error:
        if output:
            sys.stdout.buffer.write(failure(error))
        raise
    screen.render(trained)
    if output:
        sys.stdout.buffer.write(document(trained))
    return 0


def _template(path: str | None) -> str | None:
    """The text of a chat template.

    Raises:
        UsageError: it cannot be read.
    """
    if path is None:
        return None
    from gate.errors import UsageError

    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the chat template cannot be read ({what})", where=path) from None
