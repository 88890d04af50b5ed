"""How well a classifier does on the validation split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import EvalPrediction


def class_scores(predicted: EvalPrediction) -> dict[str, float]:
    """The share of examples whose likeliest class is theirs, and the mean over classes of F1, in which a rare class
    counts as much as a frequent one (classes that are neither there nor predicted are left out)."""
    import numpy as np

    guessed, wanted = np.asarray(predicted.predictions).argmax(-1), np.asarray(predicted.label_ids)
    scores = []
    for one in np.union1d(guessed, wanted):
        right = int(((guessed == one) & (wanted == one)).sum())
        scores.append(2 * right / int((guessed == one).sum() + (wanted == one).sum()))
    return {"accuracy": float((guessed == wanted).mean()), "macro_f1": float(np.mean(scores))}
