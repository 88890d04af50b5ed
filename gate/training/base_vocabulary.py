"""Whether a base's weights, configuration and tokenizer belong together, as far as sizes and names can tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gate.errors import InputError
from gate.training.base_facts import BaseFacts
from gate.training.weights import BadWeights, StoredTensor, read_json

FEWEST = 0.9
"""Of an embedding's rows, the share that its own tokenizer uses at least: embeddings are padded to a multiple of 64 to
1,024 (of some 50,000 rows and more), and no published model that is known here leaves more than 3 % of them unused."""

_LARGEST = 256 << 20
"""Bytes of a tokenizer.json; those of 262,144 tokens have some 33 MB."""
_SLOW = ("vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json")


def check_vocabulary(folder: Path, facts: BaseFacts, weights: Mapping[str, StoredTensor]) -> None:
    """Hold a tokenizer against the embedding that its ids are looked up in.

    Raises:
        InputError: there is no tokenizer, it is damaged, or it is another model's.
        BadWeights: the weights have no embedding of the size that the configuration says.
    """
    where, rows = str(folder), facts.vocabulary
    if facts.quantised is None and not any(each.shape[:1] == (rows,) for each in weights.values()):
        raise BadWeights(
            f"config.json says that the vocabulary has {rows:,} tokens, and no embedding in the weights has as many "
            "rows",
            where=where,
            remedy="config.json belongs to another model: get both from one place",
        )
    tokens = _tokens(folder)
    if tokens is None:
        return
    words, added = tokens
    count = max([-1, *words, *added]) + 1
    if count < FEWEST * rows:
        raise InputError(
            f"the tokenizer has {count:,} tokens, and the embedding {rows:,} rows: it is another model's",
            where=where,
            remedy="use the tokenizer that the model came with",
        )
    beyond = {text for number, text in added.items() if number >= rows}
    used = sorted(beyond & _spoken(folder)) or sorted(text for text in beyond if text in _templates(folder))
    if used or any(number >= rows for number in words):
        raise InputError(
            f"the tokenizer has {count:,} tokens, and the embedding only {rows:,} rows"
            + (f": there is none for {used[0]!r}" if used else ""),
            where=where,
            remedy="use the tokenizer that the model came with; where tokens were added, save the model after "
            "resize_token_embeddings()",
        )


def _tokens(folder: Path) -> tuple[set[int], dict[int, str]] | None:
    """The ids of a tokenizer's vocabulary, and its added tokens by id; None where only loading it would tell.

    Some models (Gemma 3) have a token for pictures that the embedding of their text-only sizes has no row for: an added
    token does no harm as long as nothing says it.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        if any((folder / each).is_file() for each in _SLOW) or list(folder.glob("*.tiktoken")):
            return None
        raise InputError(
            "it has no tokenizer (tokenizer.json, tokenizer.model, or vocab.json and merges.txt)",
            where=str(folder),
            remedy="copy the tokenizer's files of this very model beside its weights",
        )
    said = read_json(path, _LARGEST)
    model, listed = said.get("model"), said.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    words: set[int] = set()
    if isinstance(vocabulary, dict):
        words = {each for each in vocabulary.values() if type(each) is int}
    elif isinstance(vocabulary, list):  # Unigram: the id is the place
        words = set(range(len(vocabulary)))
    added = {
        each["id"]: str(each.get("content"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and type(each.get("id")) is int
    }
    if not words and not added:
        raise InputError("it holds no vocabulary", where=str(path), remedy="copy or download the model again")
    return words - added.keys(), added


def _spoken(folder: Path) -> set[str]:
    """The tokens that begin, end and pad every text."""
    path = folder / "tokenizer_config.json"
    said = read_json(path) if path.is_file() else {}
    found = set()
    for key in ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token"):
        value = said.get(key)
        found.add(str(value.get("content")) if isinstance(value, dict) else str(value))
    return found


def _templates(folder: Path) -> str:
    """All chat templates of a folder, one after another."""
    path = folder / "tokenizer_config.json"
    own = str(read_json(path).get("chat_template", "")) if path.is_file() else ""
    files = [folder / "chat_template.jinja", *sorted(folder.glob("additional_chat_templates/*.jinja"))]
    return own + "".join(each.read_text("utf-8", "replace") for each in files if each.is_file())
