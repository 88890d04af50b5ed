"""`gate eval`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Suites: regression (the test split of what was trained on, and your own tasks),
forgetting, safety, memorization. All that apply, where none is named.

\b
Examples:
  gate eval support-desk-lora-1 --trust trust.yaml
  gate eval support-desk-lora-1 --suite regression --repeat
  gate eval --for support-desk-lora-1 --shots 0,5 --system prompts/agent.txt
  gate eval models/qwen3-1.7b --snapshot support-desk --suite regression
  gate eval support-desk-lora-1 --url http://localhost:8000/v1

\b
Exit codes: 0 everything was scored and sealed; 1 a model, or what it was trained
on, may not be used; 2 usage or suite error: nothing was scored; 4 something could
not be scored, which blocks: what is finished is kept, and the same command goes on.
"""


@click.command("eval", epilog=EPILOG)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--suite", "suites", multiple=True, metavar="NAME", help="Only this suite; may repeat. Else all that apply."
)
@click.option("--for", "for_run", metavar="RUN", help="The run whose suites are meant; without MODEL, score its base.")
@click.option("--snapshot", "-s", "snapshots", multiple=True, metavar="NAME", help="Whose test split is meant.")
@click.option(
    "--base", type=click.Path(path_type=Path), metavar="DIR", help="Where the base lies, if no longer where it was."
)
@click.option("--no-base", is_flag=True, help="Leave a candidate's base alone; else it is scored where it was not yet.")
@click.option("--no-champion", is_flag=True, help="The same of the champion.")
@click.option("--shots", metavar="N,N", help="Prompt baselines of the base: so many examples before each item.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prompt baselines of the base: with this system prompt; may repeat.",
)
@click.option("--repeat", is_flag=True, help="Score the base once more, afresh: without noise nothing changes.")
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="Else fp32 on a CPU, bf16 on a GPU. Recorded."
)
@click.option("--batch-size", type=click.IntRange(1, 4096), default=16, show_default=True, help="Pinned and recorded.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Else a GPU where there is one.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything that draws.")
@click.option("--max-length", type=click.IntRange(1), metavar="TOKENS", help="Else the model's own context.")
@click.option("--no-chat-template", is_flag=True, help="Hand prompts over bare, also to a model with a chat template.")
@click.option("--backend", metavar="NAME", help="lm-eval's: hf (else), vllm, local-completions, …")
@click.option("--backend-arg", "backend_args", multiple=True, metavar="KEY=VALUE", help="Handed to the backend.")
@click.option("--url", metavar="URL", help="A server that speaks the OpenAI protocol and serves this one model.")
@click.option("--allow-code", multiple=True, metavar="NAME@DIGEST", help="Let this base's, or task's, Python run.")
@store_option
@trust_options
@key_options
@click.option("--output", "-o", type=click.Choice(["json"]), help="Also write what came of it, for programs.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    models: tuple[str, ...],
    suites: tuple[str, ...],
    for_run: str | None,
    snapshots: tuple[str, ...],
    base: Path | None,
    no_base: bool,
    no_champion: bool,
    shots: str | None,
    systems: tuple[Path, ...],
    repeat: bool,
    precision: str | None,
    batch_size: int,
    device: str | None,
    seed: int,
    max_length: int | None,
    no_chat_template: bool,
    backend: str | None,
    backend_args: tuple[str, ...],
    url: str | None,
    allow_code: tuple[str, ...],
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    output: str | None,
    quiet: bool,
) -> int:
    """Score models on suites, item by item, and sign what came out.

    MODEL is a run's name, a folder (of a candidate, of a released merged model, of a base), eight or more digits of a
    model's digest, a base's id on the hub, or `champion`. A candidate's base and the champion are scored on the same
    items, once. Nothing is scored twice under the same key of model, task and settings, and an evaluation that was
    killed goes on with the first task that it had not finished. What is scored is measured here and judged by
    `gate promote`.
    """
    from typing import cast

    from rich.console import Console

    from gate.errors import GateError
    from gate.reporting.eval_json import document, failure
    from gate.reporting.eval_terminal import Screen
    from gate.verbs.evaluate import Precision, evaluate
    from gate.verbs.evaluate_models import Watching
    from gate.verbs.surroundings import open_signer, open_trust

    numbers, arguments = _numbers(shots), _pairs(backend_args)
    open_trust(trust, trust_revision)  # what is wrong with it is said before a passphrase is asked for
    signer = open_signer(key)
    console = Console(stderr=True, quiet=quiet, highlight=False)
    try:
        with Screen(console) as screen:
            watching = Watching(screen.on_stage, screen.on_suite, screen.on_task, screen.on_scored, screen.on_note)
            evaluations = evaluate(
                models, suites=suites, base=base, with_base=not no_base, with_champion=not no_champion,
                for_run=for_run, snapshots=snapshots, shots=numbers, systems=systems, repeat=repeat,
                precision=cast("Precision | None", precision), batch_size=batch_size, device=device, seed=seed,
                max_length=max_length, chat_template=not no_chat_template, backend=backend, backend_args=arguments,
                url=url, allow_code=allow_code, store=store, trust=trust, trust_revision=trust_revision,
                signer=signer, watching=watching,
            )  # fmt: skip
    except GateError as error:
        if output:
            sys.stdout.buffer.write(failure(error))
        raise
    screen.render(evaluations)
    if output:
        sys.stdout.buffer.write(document(evaluations))
    return evaluations.exit_code


def _numbers(said: str | None) -> list[int]:
    """`0,5` as numbers.

    Raises:
        UsageError: it is something else.
    """
    from gate.errors import UsageError

    if said is None:
        return []
    try:
        found = [int(each) for each in said.split(",")]
    except ValueError:
        found = [-1]
    if any(not 0 <= each <= 100 for each in found):
        raise UsageError(f"{said[:100]!r} are no numbers of shots", where="--shots", remedy="as in --shots 0,5")
    return list(dict.fromkeys(found))


def _pairs(said: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` options.

    Raises:
        UsageError: one is none.
    """
    from gate.errors import UsageError

    found = {}
    for each in said:
        name, mark, value = each.partition("=")
        if not mark or not name.isidentifier():
            raise UsageError(f"{each[:100]!r} is not KEY=VALUE", where="--backend-arg")
        found[name] = value
    return found
