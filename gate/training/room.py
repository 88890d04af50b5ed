"""Whether there is room for what a run will certainly write, before anything is trained."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gate.store.objects import StoreError
from gate.training.run_file import Run


def least_room(run: Run) -> int:
    """Bytes that a run writes at the very least: of an adapter next to nothing; where the weights themselves are
    trained, checkpoints of all of them (one more than are kept, since the new one is whole before an old one goes) and
    the candidate.

    AdamW keeps two moments of each weight beside it (Loshchilov and Hutter 2019, algorithm 2), in the weights' own
    precision or a higher one; of frozen layers and in 8 bits there is less, and nothing of it is counted.
    """
    recipe = run.recipe
    if recipe.method != "full":
        return 0
    weights = sum(path.stat().st_size for path in Path(run.base.path).glob("*.safetensors"))
    copies = 3 if recipe.optimiser == "adamw" and recipe.freeze_layers == 0 else 1
    return weights * (copies * (recipe.keep + 1) + 1)


def check_room(run: Run) -> None:
    """That the disk has as much.

    Raises:
        StoreError: it has not.
    """
    needed = least_room(run)
    place = next(each for each in (run.place, *run.place.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StoreError(
            f"the run will write {needed / 1e9:,.1f} GB at least, and {free / 1e9:,.1f} GB are free",
            where=os.fspath(place),
            remedy="make room, keep fewer checkpoints (--set keep=1), train an adapter (--recipe lora), or put the "
            "store on a larger disk",
        )
