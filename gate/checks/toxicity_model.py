"""Scores texts with a sequence-classification model of the user's own, in a worker process.

Only safetensors are loaded, no code of the model's is run, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from gate.checks.base import CheckFailed
from gate.errors import PolicyError
from gate.folders import Folders

LANE = "toxicity-model"
BATCH = 16
"""Texts in one forward pass."""


def model_folder(name: str, folders: Folders) -> Path:
    """The folder that holds the model: a path, in the repository or anywhere, or a snapshot in the Hugging Face cache.

    Raises:
        PolicyError: it is not there, or holds no safetensors.
    """
    given = Path(name)
    found = next((path for root in folders.roots if (path := root / given).is_dir()), None)
    if found is None:
        from huggingface_hub import try_to_load_from_cache

        relative = given.is_absolute() or name.startswith(".") or name.count("/") > 1
        cached = None if relative else try_to_load_from_cache(name, "config.json")
        found = Path(cached).parent if isinstance(cached, str) else None
    if found is None:
        remedy = "name a folder, or a model that is in the Hugging Face cache already; nothing is downloaded"
        raise PolicyError(f"there is no model `{name}`", remedy=remedy)
    if not any(found.glob("*.safetensors")):
        remedy = "save it with save_pretrained(FOLDER, safe_serialization=True)"
        raise PolicyError(f"the model `{name}` holds no safetensors", remedy=remedy)
    return found


@lru_cache(maxsize=1)
def _load(folder: str) -> tuple[object, object]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    return tokenizer, model.eval()


def scores(folder: str, labels: Sequence[str], texts: pl.Series) -> pl.Series:
    """The probability, from 0 to 1, that a text has one of the labels: the highest of theirs. Runs in a worker.

    A model whose configuration says `multi_label_classification`, or that has one label, gives each by a logistic
    function, others by a softmax. Texts longer than its context are cut off there.

    Raises:
        CheckFailed: the model has none of the labels, or gives something that is no number.
    """
    import torch

    # transformers has no types that say what a tokenizer returns.
    tokenizer, model = _load(folder)
    config = model.config  # type: ignore[attr-defined]
    wanted = [at for at, name in config.id2label.items() if name in labels]
    if not wanted:
        known = ", ".join(map(str, config.id2label.values()))
        raise CheckFailed(f"the model knows none of the labels {', '.join(labels)}; it has {known}")
    longest = min(getattr(config, "max_position_embeddings", 512) or 512, 512)
    found: list[float] = []
    for start in range(0, texts.len(), BATCH):
        batch = texts[start : start + BATCH].to_list()
        encoded = tokenizer(batch, padding=True, truncation=True, max_length=longest, return_tensors="pt")  # type: ignore[operator]
        with torch.inference_mode():
            logits = model(**encoded).logits.float()  # type: ignore[operator]
        alone = config.problem_type == "multi_label_classification" or logits.shape[1] == 1
        chances = logits.sigmoid() if alone else logits.softmax(-1)
        if not torch.isfinite(chances).all():
            raise CheckFailed("the model gives scores that are no numbers")
        found += chances[:, wanted].max(dim=1).values.tolist()
    return pl.Series("score", found, dtype=pl.Float64)
