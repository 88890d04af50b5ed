"""The vocabulary of a GGUF file: tokens, their kinds, merges, and the name of the way text is cut before merging.

A GGUF names that way (`tokenizer.ggml.pre`) instead of describing it. Where a tokenizer's own is none that llama.cpp
has a name for, the file is still right about token ids, and a note says that text may be cut otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from gate.training.release import Unmergeable

if TYPE_CHECKING:
    import gguf
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

Part = dict[str, object]

_PREFERRED = ("llama-bpe", "qwen2", "tekken", "gpt-4o")
"""Of names that stand for the same pattern."""


def write_vocabulary(
    writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig
) -> list[str]:
    """Write the tokenizer: byte-level BPE (`gpt2` to llama.cpp) or SentencePiece-like BPE (`llama`).

    Returns:
        Sentences about what a person should know.

    Raises:
        Unmergeable: it is another kind of tokenizer.
    """
    if not tokenizer.is_fast:
        raise Unmergeable("its tokenizer has no tokenizer.json", remedy="save it with a fast tokenizer")
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    model = description["model"]
    if model["type"] != "BPE":
        raise Unmergeable(
            f"its tokenizer is a {model['type']} one, and this converter writes BPE",
            remedy="export it as merged, and use llama.cpp's convert_hf_to_gguf.py on that",
        )
    size, tokens, kinds = config.vocab_size, *_tokens(description, config.vocab_size)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    notes = []
    if model.get("byte_fallback"):
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores(_scores(tokens, merges))
        writer.add_add_space_prefix(_prefixed(description))
    else:
        pre = _pre(description)
        if pre is None:
            notes.append(
                "llama.cpp has no name for the way this tokenizer cuts text before merging: ids are right, and text "
                "may be cut otherwise there than here; compare before serving it through llama.cpp"
            )
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre or "gpt-2")
        writer.add_token_list(tokens)
        writer.add_token_merges(merges)
    writer.add_token_types(kinds)
    _specials(writer, tokenizer, size)
    return notes


def _tokens(description: Part, size: int) -> tuple[list[str], list[int]]:
    """Every id's token, and its kind."""
    import gguf

    vocabulary = cast(dict[str, int], cast(Part, description["model"])["vocab"])
    added = {int(str(each["id"])): each for each in cast(list[Part], description["added_tokens"])}
    by_id = {at: token for token, at in vocabulary.items()} | {at: str(each["content"]) for at, each in added.items()}
    if over := [at for at in by_id if at >= size]:
        raise Unmergeable(f"its tokenizer has {len(over)} more tokens than the model has embeddings")
    tokens, kinds = [], []
    for at in range(size):
        token = by_id.get(at)
        tokens.append(token if token is not None else f"[PAD{at}]")
        if token is None:
            kind = gguf.TokenType.UNUSED
        elif at in added:
            kind = gguf.TokenType.CONTROL if added[at]["special"] else gguf.TokenType.USER_DEFINED
        elif len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        kinds.append(int(kind))
    return tokens, kinds


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """llama.cpp merges what makes the token with the highest score: the earlier a merge, the higher."""
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        ranks.setdefault(pair.replace(" ", ""), rank)
    return [-float(ranks.get(token, len(merges))) for token in tokens]


def _pre(description: Part) -> str | None:
    """llama.cpp's name for the way text is cut."""
    from transformers.integrations.gguf import gguf_tokenizer_mapping

    steps = _steps(description.get("pre_tokenizer"))
    kinds = [str(each["type"]) for each in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and steps[1].get("use_regex", True):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True):
        pattern = cast(Part, steps[0]["pattern"]).get("Regex")
        # The same table that the file is read by again.
        table: dict[str, str] = gguf_tokenizer_mapping.GGUF_PRE_TOKENIZER_SPLITS
        names = [name for name, regex in table.items() if regex == pattern]
        return next((name for name in _PREFERRED if name in names), names[0] if names else None)
    return None


def _steps(part: object) -> list[Part]:
    if not isinstance(part, dict):
        return []
    if part["type"] == "Sequence":
        return [step for each in part["pretokenizers"] for step in _steps(each)]
    return [part]


def _prefixed(description: Part) -> bool:
    """Whether a space is put before the text."""
    text = json.dumps([description.get("normalizer"), description.get("pre_tokenizer")])
    return '"Prepend"' in text or '"prepend_scheme": "always"' in text or '"prepend_scheme": "first"' in text


def _specials(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
    ids = {
        writer.add_bos_token_id: tokenizer.bos_token_id,
        writer.add_eos_token_id: tokenizer.eos_token_id,
        writer.add_unk_token_id: tokenizer.unk_token_id,
        writer.add_pad_token_id: tokenizer.pad_token_id,
    }
    for add, own in ids.items():
        if own is not None and own < size:
            add(own)
    begun = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(begun) and tokenizer.bos_token_id is not None and begun[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(len(begun) > 1 and begun[-1] == tokenizer.eos_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)
