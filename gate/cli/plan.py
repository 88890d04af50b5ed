"""`gate plan`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate plan --snapshot support-desk --base models/qwen --memory 24GB --trust trust.yaml
  gate plan --snapshot support-desk --base models/qwen --device a100-80gb --prompt-baseline 0.71 --goal domain
  gate plan --snapshot support-desk --base models/qwen --device cpu --recipe lora --set rank=8
  gate plan --snapshot support-desk --base models/qwen --memory 24GB --hours 40 --rate 100 --compute 500 \\
            --prompt-hours 4 --prompt-baseline 0.71 --expected 0.9
  gate plan --snapshot support-desk --base models/qwen --memory 24GB --output html=plan.html --output json | jq .advice

\b
Exit codes: 0 fine-tuning is advised, and fits; 1 something else is advised, or nothing
fits; 2 usage or recipe error; 3 something has to be found out first (it says what).
"""


@click.command("plan", epilog=EPILOG)
@click.option("--snapshot", "-s", required=True, metavar="NAME|ID", help="An approved snapshot to train on.")
@click.option(
    "--base", "-b", required=True, metavar="DIR|HUB_ID", help="The model to train, of which small files are read."
)
@click.option("--recipe", "-r", metavar="NAME|FILE", help="Plan for this recipe as it is; else the nearest, adapted.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Say otherwise than the recipe.")
@click.option(
    "--chat-template",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The chat template, where the base brings none.",
)
@click.option("--memory", metavar="SIZE", help="Of one device, such as 24GB.")
@click.option("--device", metavar="NAME", help="A device of rules/plan.yaml, such as a100-80gb or rtx4090; or cpu.")
@click.option("--tflops", type=float, metavar="N", help="What the device does at most, in TFLOP/s.")
@click.option("--tokens-per-second", type=float, metavar="N", help="What an earlier run did; surer than --tflops.")
@click.option(
    "--prompt-baseline", type=float, metavar="SCORE", help="The share of the test set that prompts get right."
)
@click.option("--optimised-prompts", type=float, metavar="SCORE", help="The same of your best prompts.")
@click.option("--target", type=float, metavar="SCORE", help="The share that is wanted.")
@click.option("--expected", type=float, metavar="SCORE", help="The share that fine-tuning is hoped to reach.")
@click.option("--goal", metavar="GOAL", help="What for: tone, format, classification, reasoning, domain, recent …")
@click.option("--latency", type=float, metavar="MS", help="Milliseconds that an answer may take.")
@click.option("--consistency", metavar="HIGH|PERFECT", help="How consistent answers must be.")
@click.option("--hours", type=float, metavar="H", help="Of work to prepare the data.")
@click.option("--prompt-hours", type=float, metavar="H", help="Of work on prompts instead.")
@click.option("--rate", type=float, metavar="$", help="What an hour of work costs.")
@click.option("--compute", type=float, default=0.0, metavar="$", help="What computing costs.")
@store_option
@trust_options
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    metavar="FORMAT[=PATH]",
    help="Also write json or html; json goes to standard output, html to gate-plan.html, where no path is given.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    snapshot: str,
    base: str,
    recipe: str | None,
    overrides: tuple[str, ...],
    chat_template: Path | None,
    memory: str | None,
    device: str | None,
    tflops: float | None,
    tokens_per_second: float | None,
    prompt_baseline: float | None,
    optimised_prompts: float | None,
    target: float | None,
    expected: float | None,
    goal: str | None,
    latency: float | None,
    consistency: str | None,
    hours: float | None,
    prompt_hours: float | None,
    rate: float | None,
    compute: float,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    outputs: tuple[str, ...],
    quiet: bool,
) -> int:
    """Say what training would come to, before anything is trained.

    Whether fine-tuning is the right tool at all (and what is not known yet to say so), whether the base fits the data,
    which method fits the memory, settings with their reasons, and steps, time and cost. The snapshot is opened as a
    trainer opens it; of the base only config.json, the tokenizer and the headers of its weights are read. The guides
    that it rests on disagree: all of them are shown.
    """
    from rich.console import Console

    from gate.reporting.plan_outputs import plan_output, prepare, write
    from gate.reporting.plan_terminal import render_plan
    from gate.reporting.terminal import Progress
    from gate.verbs.plan import Task, plan

    wanted = [plan_output(each) for each in outputs]
    for each in wanted:
        prepare(each)
    console = Console(stderr=True, quiet=quiet)
    with Progress(console) as progress:
        found = plan(
            snapshot,
            base,
            recipe=recipe,
            overrides=overrides,
            chat_template=chat_template,
            memory=memory,
            device=device,
            tflops=tflops,
            tokens_per_second=tokens_per_second,
            task=Task(
                prompt_baseline=prompt_baseline,
                optimised_prompts=optimised_prompts,
                target=target,
                expected=expected,
                goal=goal,
                latency=latency,
                consistency=consistency,
                hours=hours,
                prompt_hours=prompt_hours,
                rate=rate,
                compute=compute,
            ),
            store=store,
            trust=trust,
            trust_revision=trust_revision,
            on_stage=progress.update,
        )
    render_plan(found, console)
    for each in wanted:
        write(found, each, console)
    return found.exit_code
