"""Text to tokens, many at once, with the stretches of characters that are learned turned into stretches of tokens.

A stretch begins with a token of its own, as it does when a model writes after a prompt: where the tokenizer would join
the prompt's last character with the answer's first, the text is tokenised in pieces. It ends with its end-of-turn
token, which is part of what is learned; line feeds that a template puts behind that are not, for no model writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from gate.training.template import TemplateError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

_BATCH = 2048
"""Texts at once: enough to keep all threads of a fast tokenizer busy."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as tokens."""

    ids: NDArray[np.int32]
    learned: tuple[tuple[int, int], ...]
    """Tokens (from, to) that are learned, in order."""

    @property
    def needed(self) -> int:
        """Tokens up to the last one that is learned: what stands behind it changes nothing that is learned."""
        return self.learned[-1][1] if self.learned else 0


class _Encoding(Protocol):
    """`tokenizers.Encoding`, as far as it is used."""

    ids: list[int]

    def char_to_token(self, char_pos: int) -> int | None: ...
    def token_to_chars(self, token_index: int) -> tuple[int, int] | None: ...


def encoded(
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    names: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    marked: bool = False,
) -> list[Encoded]:
    """Tokens of texts that a template wrote (so no special tokens are added), and which of them are learned.

    Args:
        spans: of each text the characters (from, to) of what the assistant wrote, in order.
        names: of each text the row's id, for messages to people.
        marked: the template said itself what is generated; the end of the turn may stand right behind that.

    Raises:
        TemplateError: a turn has no end-of-turn token, or its text cannot be told apart from what stands before it.
    """
    import numpy as np

    turns = _Turns(tokenizer, marked)
    made: list[Encoded] = []
    for at in range(0, len(texts), _BATCH):
        batch = slice(at, at + _BATCH)
        encodings = encodings_of(list(texts[batch]), tokenizer)
        for encoding, text, its_spans, name in zip(encodings, texts[batch], spans[batch], names[batch], strict=True):
            found = [_tokens_of(encoding, span) for span in its_spans]
            if None in found:
                ids, stretches = _in_pieces(text, its_spans, name, tokenizer)
            else:
                ids, stretches = encoding.ids, [each for each in found if each is not None]
            learned = [turns.ended(ids, stretch, name) for stretch in stretches]
            made.append(Encoded(np.array(ids, np.int32), _joined(learned)))
    return made


def encodings_of(texts: list[str], tokenizer: PreTrainedTokenizerBase, *, special: bool = False) -> list[_Encoding]:
    """The tokenizer's own encodings, uncut and unpadded."""
    if not texts:
        return []  # which the tokenizer cannot take
    if not tokenizer.is_fast:
        raise TemplateError(
            "its tokenizer is a slow one, which cannot say which characters a token stands for",
            where=tokenizer.name_or_path,
            remedy="convert it to a fast one (a tokenizer.json)",
        )
    return list(
        tokenizer(
            texts,
            add_special_tokens=special,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        ).encodings
    )


def _tokens_of(encoding: _Encoding, span: tuple[int, int]) -> tuple[int, int] | None:
    """The tokens of some characters; None where the first of them also stands for a character before."""
    start = encoding.char_to_token(span[0])
    first = None if start is None else encoding.token_to_chars(start)
    if start is None or first is None or first[0] != span[0]:
        return None
    if span[0] == span[1]:
        return start, start  # no word at all
    end = encoding.char_to_token(span[1] - 1)
    if end is None:
        return None
    while (each := encoding.token_to_chars(end)) is not None and each[0] < span[1] >= each[1]:
        end += 1  # the last character may be of several tokens; one that reaches beyond it is not the assistant's
    return start, end


def _in_pieces(
    text: str, spans: Sequence[tuple[int, int]], name: str, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens of a text in which each span begins with a token of its own."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    ids: list[int] = []
    stretches: list[tuple[int, int]] = []
    pieces = [text[start:end] for start, end in pairwise(edges)]
    for number, encoding in enumerate(encodings_of(pieces, tokenizer)):
        if number % 2:
            stretches.append((len(ids), len(ids) + len(encoding.ids)))
        ids.extend(encoding.ids)
    if tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) != text:
        raise TemplateError(
            "its tokenizer joins the end of the prompt and the beginning of the answer in one token, and does not give "
            "the same text when they are tokenised apart",
            where=f"row {name[:12]}",
            remedy="name a template that ends a prompt with a special token or without a space (--chat-template FILE)",
        )
    return ids, stretches


def _joined(stretches: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches in order, those that touch made one."""
    made: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if made and start < made[-1][1]:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return tuple(made)


class _Turns:
    """Finds where turns end."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, marked: bool) -> None:
        control = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._ends = control | {at for at in tokenizer.all_special_ids if at is not None}
        self._eos = tokenizer.eos_token_id
        self._marked, self._tokenizer = marked, tokenizer
        self._blank: dict[tuple[int, ...], bool] = {(): True}

    def ended(self, ids: list[int], stretch: tuple[int, int], name: str) -> tuple[int, int]:
        """A turn's tokens up to its end-of-turn token: the last special one, with nothing but white space behind it."""
        start, last = stretch
        follows = ids[last] if self._marked and last < len(ids) else None
        if follows is not None and follows == self._eos != ids[last - 1]:
            return start, last + 1  # it marks the words alone: their end is learned as well
        end = last
        while end > start and ids[end - 1] not in self._ends:
            end -= 1
        if end > start and self._is_blank(tuple(ids[end:last])):
            return start, end
        if follows is not None and follows in self._ends:
            return start, last + 1
        raise TemplateError(
            "the template ends the assistant's turn with no special token, so the model would never learn to stop",
            where=f"row {name[:12]}",
            remedy="name a template that puts {{ eos_token }} behind each answer (--chat-template FILE)",
        )

    def _is_blank(self, ids: tuple[int, ...]) -> bool:
        if ids not in self._blank:
            self._blank[ids] = len(ids) < 16 and not self._tokenizer.decode(ids).strip()
        return self._blank[ids]
