"""Rows as the tokens that a trainer reads, per objective, ready as they stand.

Which columns a trainer of the installed TRL takes as they are:

| objective | trainer | columns |
| --- | --- | --- |
| sft, pretrain | SFTTrainer, `skip_prepare_dataset` | input_ids, labels (-100: not learned), seq_lengths when packed |
| classify | transformers' Trainer | input_ids, attention_mask, labels (a class) |
| dpo | DPOTrainer, prepared | prompt_ids, chosen_ids, rejected_ids |
| orpo | ORPOTrainer, prepared | {chosen,rejected}_{input_ids,attention_mask,labels}, prompt_{input_ids,…} |
| reward | RewardTrainer | chosen_ids, rejected_ids, each with its prompt |
| kto | KTOTrainer, prepared | prompt_ids, completion_ids, label |
| rloo, grpo | RLOOTrainer, GRPOTrainer | prompt (messages: they render it themselves, with the same template) |

`prepared` is `gate.training.prepared.prepared`: DPO, ORPO and KTO tokenise anew unless they are kept from it, and
every trainer has an order of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.training.accounting import Outcome
from gate.training.assembly import NOT_LEARNED, Columns, Sample, Tokens, assembled, limits_of
from gate.training.conversations import each_row, prompt_text, rendered
from gate.training.encoding import Encoded, encoded, encodings_of
from gate.training.preferences import feedback_tokens, preference_tokens, prompt_tokens
from gate.training.rows import Row, Rows, meta_of
from gate.training.run_file import Run
from gate.training.template import resolved_template
from gate.training.tolerance import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "Tokens",
    "chat_tokens",
    "class_tokens",
    "feedback_tokens",
    "preference_tokens",
    "prompt_tokens",
    "text_tokens",
]


def chat_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """Conversations of which the assistant's turns are learned, each with its end-of-turn token.

    Raises:
        TemplateError: the template fails on a conversation, or does not say where the answers are.
        UsageError: no template, or no room.
    """
    template, limits = resolved_template(run, tokenizer), limits_of(run, tokenizer)

    def tokenise(some: list[Row]) -> list[Sample]:
        texts = each_row(some, lambda row: rendered(row, template))
        tokens = encoded(
            [each.text for each in texts],
            [each.spans for each in texts],
            [row.id for row in some],
            tokenizer,
            marked=template.marks,
        )
        return [_chat_sample(each, limits, drop=run.recipe.drop_truncated) for each in tokens]

    return assembled(rows, tokenise, tokenizer, run, limits, template)


def _chat_sample(tokens: Encoded, limits: Limits, *, drop: bool) -> Sample:
    """A conversation cut to its greatest length, or what keeps it from being learned."""
    if not tokens.learned:
        return Sample([], Outcome(0, 0, None, "nothing_to_learn"))
    import numpy as np

    needed, first = tokens.needed, tokens.learned[0][0]
    kept = min(needed, limits.max_length)
    # The first token of all has nothing before it that it could be predicted from.
    least = needed if drop else max(first, 1) + 1
    ids = tokens.ids[:kept]
    labels = np.full_like(ids, NOT_LEARNED)
    for start, end in tokens.learned:
        labels[start:end] = ids[start:end]
    if limits.max_length < least:
        reason = "truncated" if drop and limits.max_length > max(first, 1) else "nothing_left"
        return Sample([], Outcome(needed, 0, least, reason))
    columns: Columns = {"input_ids": ids, "labels": labels}
    return Sample([(columns, kept)], Outcome(needed, kept, least, None, kept < needed), {"text": (ids, labels >= 0)})


def text_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """Texts of which every token is learned, and the end of the text. A long one is cut into windows: each begins with
    the last token of the one before it, so that every token but a text's first is predicted once, and none is lost.

    Raises:
        UsageError: the tokenizer has no end-of-text token, or there is no room.
    """
    import numpy as np

    limits = limits_of(run, tokenizer)
    end = tokenizer.eos_token_id
    if end is None:
        raise UsageError("its tokenizer has no end-of-text token", where=run.base.name, remedy="take another base")

    def tokenise(some: list[Row]) -> list[Sample]:
        encodings = encodings_of([row.text or "" for row in some], tokenizer, special=True)
        ended = (ids if ids[-1:] == [end] else [*ids, end] for ids in (each.ids for each in encodings))
        return [_text_sample(np.array(ids, np.int32), limits) for ids in ended]

    return assembled(rows, tokenise, tokenizer, run, limits, None)


def _text_sample(ids: NDArray[np.int32], limits: Limits) -> Sample:
    import numpy as np

    if len(ids) < 2:
        return Sample([], Outcome(len(ids), 0, None, "nothing_to_learn"))
    step = limits.max_length - 1
    windows = [ids[at : at + limits.max_length] for at in range(0, len(ids) - 1, step)]
    pieces: list[tuple[Columns, int]] = [({"input_ids": each, "labels": each}, len(each)) for each in windows]
    return Sample(pieces, Outcome(len(ids), len(ids), 2), {"text": (ids, np.arange(len(ids)) > 0)})


def class_tokens(rows: Rows, tokenizer: PreTrainedTokenizerBase, run: Run) -> Tokens:
    """Conversations up to their answer (or texts), and the class of each: the column that the recipe names, else the
    answer itself.

    Raises:
        UsageError: a row without a class, fewer than two classes, or one that only the validation split has.
        TemplateError: the template fails on a conversation.
    """
    import numpy as np

    limits = limits_of(run, tokenizer)
    template = resolved_template(run, tokenizer) if any(row.messages for row in rows.train) else None
    classes = tuple(sorted({class_of(row, run) for row in rows.train}))
    if len(classes) < 2:
        raise UsageError(
            f"all {len(rows.train):,} rows are of one class ({classes[0][:100]!r})",
            remedy="`label:` in the recipe names the column that holds the class",
        )
    if unknown := sorted({class_of(row, run) for row in rows.validation} - set(classes)):
        raise UsageError(
            f"the validation split has the class {unknown[0][:100]!r}, which the train split has not",
            remedy="split the data so that each class is in both (`split:` in gate.yaml), and admit it anew",
        )
    numbers = {name: at for at, name in enumerate(classes)}

    def tokenise(some: list[Row]) -> list[Sample]:
        chats = [at for at, row in enumerate(some) if row.messages]
        ids = [np.zeros(0, np.int32)] * len(some)
        if template is not None:
            texts = each_row((some[at] for at in chats), lambda row: prompt_text(_asked(row), row, template))
            for at, encoding in zip(chats, encodings_of(texts, tokenizer), strict=True):
                ids[at] = np.array(encoding.ids, np.int32)
        plain = [at for at, row in enumerate(some) if not row.messages]
        written = [some[at].text or "" for at in plain]
        for at, encoding in zip(plain, encodings_of(written, tokenizer, special=True), strict=True):
            ids[at] = np.array(encoding.ids, np.int32)
        return [_class_sample(each, numbers[class_of(row, run)], limits) for each, row in zip(ids, some, strict=True)]

    return assembled(rows, tokenise, tokenizer, run, limits, template, classes=classes)


def class_of(row: Row, run: Run) -> str:
    """The class of a row, as text.

    Raises:
        UsageError: it has none.
    """
    if run.recipe.label is None:
        last = row.messages[-1] if row.messages else None
        if last is not None and last["role"] == "assistant" and (answer := (last["content"] or "").strip()):
            return answer
    else:
        found: object = meta_of(row)
        for part in run.recipe.label.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, (str, int, bool)) and str(found).strip():
            return str(found).strip()
    what = "an answer" if run.recipe.label is None else f"a text or a whole number in the column {run.recipe.label!r}"
    raise UsageError(
        f"it has no class: {what} is missing", where=f"row {row.id[:12]}", remedy="`label:` in the recipe names it"
    )


def _asked(row: Row) -> list[dict[str, str | None]]:
    return row.messages[:-1] if row.messages[-1]["role"] == "assistant" else row.messages


def _class_sample(ids: NDArray[np.int32], number: int, limits: Limits) -> Sample:
    import numpy as np

    if not len(ids):
        return Sample([], Outcome(0, 0, None, "nothing_to_learn"))
    kept = ids[: limits.max_length]
    columns: Columns = {"input_ids": kept, "attention_mask": np.ones_like(kept), "labels": number}
    shown = {"text": (kept, np.zeros(len(kept), bool))}
    return Sample([(columns, len(kept))], Outcome(len(ids), len(kept), 1), shown)
