"""Preferences, judged answers and mere prompts as tokens: what DPO, ORPO, KTO, reward models and RL learn from.

Prompt and answers are tokenised as the template writes them, the answer up to its end-of-turn token. The trainers of
the installed TRL learn every token behind the prompt, so an answer is the assistant's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.training.accounting import Outcome
from gate.training.assembly import NOT_LEARNED, Columns, Sample, Tokens, assembled, limits_of
from gate.training.conversations import each_row, prompt_text, whole_text
from gate.training.encoding import Encoded, encoded, encodings_of
from gate.training.messages import tools_of
from gate.training.preview import Shown
from gate.training.rows import Message, Row, Rows
from gate.training.run_file import Run
from gate.training.template import Template, TemplateError, resolved_template
from gate.training.tolerance import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase


def preference_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """A prompt, the answer that was chosen and the one that was rejected (dpo, orpo, reward).

    For `reward` a pair that does not fit is dropped: the score is read at the last token, and of a cut answer that is
    another one.

    Raises:
        TemplateError: the template fails on a conversation, or writes the prompt in another way before an answer.
        UsageError: an answer that is not the assistant's alone, no template, or no room.
    """
    template, limits = resolved_template(run, tokenizer), limits_of(run, tokenizer)

    def tokenise(some: list[Row]) -> list[Sample]:
        chosen = _answers(some, lambda row: (row.messages, row.chosen), template, tokenizer)
        rejected = _answers(some, lambda row: (row.messages, row.rejected), template, tokenizer)
        return [
            _pair_sample(*pair, limits, run.recipe.objective, drop=run.recipe.drop_truncated)
            for pair in zip(chosen, rejected, strict=True)
        ]

    return assembled(rows, tokenise, tokenizer, run, limits, template)


def feedback_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """A prompt, an answer, and whether it was a good one (kto). The answer to another prompt, from which the trainer
    estimates its KL term, is added to each batch (`gate.training.prepared`).

    Raises:
        TemplateError, UsageError: as for `preference_tokens`.
    """
    template, limits = resolved_template(run, tokenizer), limits_of(run, tokenizer)

    def tokenise(some: list[Row]) -> list[Sample]:
        for row in some:
            if row.label is None or not row.messages:
                raise UsageError("it has no label or no answer", where=f"row {row.id[:12]}", remedy="mend the data")
        answers = _answers(some, lambda row: (row.messages[:-1], row.messages[-1:]), template, tokenizer)
        return [
            _feedback_sample(each, bool(row.label), limits, drop=run.recipe.drop_truncated)
            for each, row in zip(answers, some, strict=True)
        ]

    return assembled(rows, tokenise, tokenizer, run, limits, template)


def prompt_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """Prompts that the model answers itself (rloo, grpo), as messages: the trainer renders them, with the template that
    is set on the tokenizer here. A prompt that does not leave room for an answer is dropped.

    Raises:
        TemplateError: the template fails on a prompt.
        UsageError: prompts with tools (the trainer could not pass them), no template, or no room.
    """
    import numpy as np

    template, limits = resolved_template(run, tokenizer), limits_of(run, tokenizer)
    tokenizer.chat_template = template.text
    room = limits.max_length - run.recipe.max_new_tokens
    per_step = max(1, run.recipe.batch // run.recipe.generations)
    if room < 1:
        raise UsageError(
            f"max_length {limits.max_length:,} leaves no room for a prompt beside max_new_tokens "
            f"{run.recipe.max_new_tokens:,}",
            remedy="a larger max_length, or fewer max_new_tokens",
        )

    def tokenise(some: list[Row]) -> list[Sample]:
        made = []
        texts = each_row(some, lambda row: _prompt(row, template))
        for row, encoding in zip(some, encodings_of(texts, tokenizer), strict=True):
            ids = np.array(encoding.ids, np.int32)
            messages = [_plain(message) for message in _asked(row)]
            outcome = Outcome(len(ids), len(ids), len(ids) + run.recipe.max_new_tokens)
            if len(ids) > room:
                made.append(Sample([], Outcome(len(ids), 0, outcome.least, "too_long")))
            else:
                made.append(
                    Sample([({"prompt": messages}, len(ids))], outcome, {"prompt": (ids, np.zeros(len(ids), bool))})
                )
        return made

    return assembled(rows, tokenise, tokenizer, run, limits, template, per_step=per_step)


def _prompt(row: Row, template: Template) -> str:
    if tools_of(row):
        raise UsageError(
            "it has tools, and the trainer does not pass them to the template",
            where=f"row {row.id[:12]}",
            remedy="train on prompts without tools",
        )
    return prompt_text(_asked(row), row, template)


def _asked(row: Row) -> list[Message]:
    """A conversation up to the answer, which the model is to give itself."""
    return row.messages[:-1] if row.messages and row.messages[-1]["role"] == "assistant" else row.messages


def _plain(message: Message) -> dict[str, str]:
    if message.get("tool_calls"):
        raise UsageError("a prompt has tool calls", remedy="train on prompts without them")
    return {"role": str(message["role"]), "content": message["content"] or ""}


def _answers(
    rows: list[Row], parts: Callable[[Row], tuple[list[Message], list[Message]]], template: Template,
    tokenizer: PreTrainedTokenizerBase,
) -> list[Encoded]:  # fmt: skip
    """Prompt and answer of each row in one sequence, of which the answer is learned.

    Args:
        parts: the prompt's messages, and the answer's.
    """

    def written(row: Row) -> tuple[str, int]:
        asked, answer = parts(row)
        if not answer or any(message["role"] != "assistant" for message in answer):
            raise UsageError(
                "an answer is not one of the assistant alone, and the trainer would learn the other's words as well",
                where=f"row {row.id[:12]}",
                remedy="move what comes before the last answer into the prompt, and admit the data anew",
            )
        prompt, whole = prompt_text(asked, row, template), whole_text([*asked, *answer], row, template)
        if not whole.startswith(prompt) or len(whole) <= len(prompt):
            raise TemplateError(
                "the template writes the prompt in another way before an answer than alone, so that nobody can say "
                "where the answer begins",
                where=f"row {row.id[:12]}",
                remedy="name a template that does not (--chat-template FILE)",
            )
        return whole, len(prompt)

    texts = each_row(rows, written)
    spans = [((start, len(text)),) for text, start in texts]
    return encoded([text for text, _ in texts], spans, [row.id for row in rows], tokenizer)


def _split(tokens: Encoded, limits: Limits) -> tuple[NDArray[np.int32], NDArray[np.int32], Outcome]:
    """Prompt and answer, cut to the greatest length, and what that did."""
    start, end = tokens.learned[0]
    kept = min(end, limits.max_length)
    return tokens.ids[:start], tokens.ids[start:kept], Outcome(end, kept, start + 1, None, kept < end)


def _pair_sample(chosen: Encoded, rejected: Encoded, limits: Limits, objective: str, *, drop: bool) -> Sample:
    import numpy as np

    prompt, good, first = _split(chosen, limits)
    other, bad, second = _split(rejected, limits)
    if not np.array_equal(prompt, other):
        raise TemplateError(
            "the tokenizer writes the prompt in another way before one answer than before the other",
            remedy="name a template that ends a prompt with a special token (--chat-template FILE)",
        )
    needed, whole = max(first.needed, second.needed), objective == "reward" or drop
    least = needed if whole else len(prompt) + 1
    if limits.max_length < least:
        reason = "too_long" if objective == "reward" else "truncated" if len(good) and len(bad) else "nothing_left"
        return Sample([], Outcome(needed, 0, least, reason))
    kept = max(first.kept, second.kept)
    shown = {"chosen": _shown(prompt, good), "rejected": _shown(prompt, bad)}
    columns: Columns
    if objective == "orpo":
        columns = _orpo(prompt, good, "chosen") | _orpo(prompt, bad, "rejected")
        columns |= {"prompt_input_ids": prompt, "prompt_attention_mask": np.ones_like(prompt)}
    elif objective == "reward":
        columns = {"chosen_ids": shown["chosen"][0], "rejected_ids": shown["rejected"][0]}
    else:
        columns = {"prompt_ids": prompt, "chosen_ids": good, "rejected_ids": bad}
    read = 2 * len(prompt) + len(good) + len(bad)
    return Sample([(columns, read)], Outcome(needed, kept, least, None, first.lost_end or second.lost_end), shown)


def _orpo(prompt: NDArray[np.int32], answer: NDArray[np.int32], name: str) -> Columns:
    import numpy as np

    ids, learned = _shown(prompt, answer)
    return {
        f"{name}_input_ids": ids,
        f"{name}_attention_mask": np.ones_like(ids),
        f"{name}_labels": np.where(learned, ids, NOT_LEARNED).astype(np.int32),
    }


def _feedback_sample(tokens: Encoded, label: bool, limits: Limits, *, drop: bool) -> Sample:
    prompt, answer, outcome = _split(tokens, limits)
    least = outcome.needed if drop else len(prompt) + 1
    if limits.max_length < least:
        return Sample([], Outcome(outcome.needed, 0, least, "truncated" if len(answer) else "nothing_left"))
    columns: Columns = {"prompt_ids": prompt, "completion_ids": answer, "label": label}
    kept = Outcome(outcome.needed, outcome.kept, least, None, outcome.lost_end)
    return Sample([(columns, outcome.kept)], kept, {"text": _shown(prompt, answer)})


def _shown(prompt: NDArray[np.int32], answer: NDArray[np.int32]) -> Shown:
    """Prompt and answer in one sequence, of which the answer is learned."""
    import numpy as np

    return np.concatenate([prompt, answer]), np.arange(len(prompt) + len(answer)) >= len(prompt)
