"""Ten examples token by token, with what is learned of them: what a person looks at before trusting a mask."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gate.training.rows import Row
from gate.training.template import Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

Shown = tuple["NDArray[np.int32]", "NDArray[np.bool_]"]
"""A sequence: token ids, and whether each is learned."""

EXAMPLES = 10
LONGEST = 1000
"""Tokens that are shown of an example; how many more there are is said."""
_CUT_ONES = 2
"""Of the examples, those that were cut."""
_SIGNS = {"\n": "↵", "\r": "␍", "\t": "⇥", " ": "·", "\u00a0": "⍽", "\u00ad": "⟨shy⟩"}


def chosen_examples(rows: Sequence[Row], cut: Sequence[bool], shown: Sequence[bool]) -> list[int]:
    """Which rows are shown: first some that were cut, then others in the order of training, of each kind at least one.

    Args:
        cut: of each row whether it was cut.
        shown: of each row whether there is something of it in the set.
    """
    there = [at for at in range(len(rows)) if shown[at] and not rows[at].repeat]
    first = [at for at in there if cut[at]][:_CUT_ONES]
    kinds = [next((at for at in there if rows[at].kind == kind), None) for kind in ("data", "replay", "canary")]
    picked = dict.fromkeys([*first, *(at for at in kinds if at is not None), *there])
    return list(picked)[:EXAMPLES]


def preview_document(
    examples: Sequence[tuple[Row, Mapping[str, Shown], int]],
    tokenizer: PreTrainedTokenizerBase,
    template: Template | None,
) -> dict[str, object]:
    """What preview.json says.

    Args:
        examples: a row, its sequences by name (`text`, or `chosen` and `rejected`), and how many tokens were cut off.
    """
    special = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    return {
        "format": 1,
        "template": None if template is None else {"digest": template.digest, "text": template.text},
        "examples": [
            {
                "id": row.id,
                "use": row.use,
                "kind": row.kind,
                "cut_tokens": cut,
                "sequences": [
                    {
                        "name": name,
                        "tokens": [
                            {"id": each, "text": token_text(each, tokenizer), "learned": learns}
                            | ({"special": True} if each in special else {})
                            for each, learns in zip(ids[:LONGEST].tolist(), learned[:LONGEST].tolist(), strict=True)
                        ],
                        "left_out": max(0, len(ids) - LONGEST),
                        "learned": int(learned.sum()),
                    }
                    for name, (ids, learned) in sequences.items()
                ],
            }
            for row, sequences, cut in examples
        ],
    }


def token_text(token: int, tokenizer: PreTrainedTokenizerBase) -> str:
    """A token as a person can see it: white space and what is invisible as signs, a part of a character as the
    tokenizer writes its bytes."""
    text = tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    piece = tokenizer.convert_ids_to_tokens(token)
    if "\ufffd" in text or (not text and piece):
        return f"⟨{piece}⟩"
    if isinstance(piece, str) and piece.startswith("▁") and not text.startswith(" "):
        text = f" {text}"  # SentencePiece's leading space, which decoding a single token loses
    return "".join(visible(character) for character in text)


def visible(character: str) -> str:
    """A character, or a sign for one that cannot be seen (control, format, separator, private, unassigned)."""
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"):
        return f"⟨U+{ord(character):04X}⟩"
    return character
