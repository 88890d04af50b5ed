"""Exposure: in bits, how far a canary stands out from strings like it that were never inserted.

Carlini et al. 2019, "The Secret Sharer", definition 5: log2 |R| - log2 rank, the rank of a canary among the strings R
that it might have been by their likelihood. R is too large to be ranked whole; like the paper's estimate by sampling
(section 4.3) the rank is taken among a sample of it, which caps exposure at log2(controls + 1). The paper's other
estimate fits a distribution to the likelihoods and reads off a tail that was never seen; it is not used here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def exposures(inserted: Floats, controls: Floats) -> Floats:
    """The exposure of each canary, in bits: 0 where it is the least likely of all, at most log2(controls + 1).

    A canary that was never learned has one of each rank with the same probability, so that its exposure is 1.44 bits
    (1 / ln 2) on the average of many controls. Among equals it has the middle rank.

    Args:
        inserted: log-likelihoods of canaries.
        controls: of never-inserted strings of the same form, at least one.

    Raises:
        ValueError: there are no controls, or a number is not finite.
    """
    if not len(controls) or not (np.isfinite(inserted).all() and np.isfinite(controls).all()):
        raise ValueError("exposure needs controls and finite likelihoods")
    ordered = np.sort(controls)
    above = len(controls) - np.searchsorted(ordered, inserted, side="right")
    equal = np.searchsorted(ordered, inserted, side="right") - np.searchsorted(ordered, inserted, side="left")
    ranks = 1 + above + equal / 2
    return np.asarray(np.log2(len(controls) + 1) - np.log2(ranks), dtype=np.float64)


def cap(controls: int) -> float:
    """The most bits that can be seen."""
    return float(np.log2(controls + 1))


def likelier(inserted: Floats, controls: Floats) -> float:
    """The p-value of "canaries are no likelier than controls": the one-sided test of Mann and Whitney 1947, exact where
    there are few and no ties (SciPy's choice)."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(inserted, controls, alternative="greater").pvalue)
