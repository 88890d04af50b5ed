"""A trainer that reads the training set as it was tokenised and counted: nothing is rendered, cut or shuffled anew.

Left to themselves, trl's trainers tokenise, cut and drop rows once more, in silence. Here they get token ids
(`gate.training.tokens`), hand them on as they are, and read them in the order that the accounting knows
(`gate.training.order`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gate.training.assembly import GROUP
from gate.training.order import epoch_order
from gate.training.quantise import keep_precise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Example = dict[str, Any]  # columns of a dataset: lists of token ids, for the most part


def prepared(trainer_class: type[Any]) -> type[Any]:  # any of transformers' and trl's, whose classes mypy does not see
    """A trainer class that trains on rows as they were tokenised (`gate.training.tokens` names the columns)."""

    class Prepared(trainer_class):  # type: ignore[misc]  # its base is known when it runs
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            keep_precise(self.model)
            if "ref" in getattr(self.model, "peft_config", {}):
                # trl copies a fresh adapter to have a reference, and would save the copy with each checkpoint; the
                # reference is the base, which is the model with its adapter off.
                self.model.delete_adapter("ref")
            if getattr(self, "calculate_KL", False):
                self.data_collator = mismatched(self.data_collator)  # type: ignore[has-type]
            if trainer_class.__name__ == "Trainer":
                # A classifier's loss is the mean over a batch, whatever number of items it is told: it has to be
                # divided by the number of accumulated batches, and not multiplied by that of devices.
                self.model_accepts_loss_kwargs = False

        # --- Rows as they are ---

        def _prepare_dataset(self, dataset: Any, *_: object) -> Any:  # trl's
            return dataset

        def tokenize_row(self, row: Example, model: object = None) -> Example:  # ORPO's
            return row

        def create_model_card(self, *args: object, **kwargs: object) -> None:
            """trl's would lie in each checkpoint, half filled in; the training statement says what there is to say."""

        # --- In the order that the accounting knows ---

        def _get_train_sampler(self, train_dataset: object = None) -> Passes:
            import numpy as np

            answers = getattr(self, "num_generations", 1)
            return Passes(
                np.asarray(self.train_dataset[GROUP], np.int8),
                self.args.data_seed,
                lambda: int(self.state.epoch or 0),
                together=self.args.generation_batch_size // answers if answers > 1 else 1,
                each=answers,
                again=self.num_iterations * self.args.steps_per_generation if answers > 1 else 1,
            )

    Prepared.__name__ = Prepared.__qualname__ = trainer_class.__name__  # trl names its files after it
    return Prepared


class Passes:
    """A sampler: the positions of the training set in the order of each pass.

    Which pass it is follows from the trainer's state, which a checkpoint holds.

    Args:
        groups: of each position (`gate.training.order.epoch_order`).
        epoch: says which pass begins.
        together: positions whose answers are drawn at once; what is missing of the last ones is filled up from the
            beginning of the pass. 1 where no answers are drawn.
        each: how many answers are drawn for one.
        again: how often a batch of answers is read.
    """

    def __init__(
        self,
        groups: NDArray[np.int8],
        seed: int,
        epoch: Callable[[], int],
        *,
        together: int = 1,
        each: int = 1,
        again: int = 1,
    ) -> None:
        self._groups, self._seed, self._epoch = groups, seed, epoch
        self._together, self._each, self._again = together, each, again

    def __len__(self) -> int:
        return -(-len(self._groups) // self._together) * self._together * self._each * self._again

    def __iter__(self) -> Iterator[int]:
        order = epoch_order(self._groups, self._seed, self._epoch()).tolist()
        size = len(order)
        for start in range(0, size, self._together):
            batch = [order[at % size] for at in range(start, start + self._together)]
            for _ in range(self._again):
                for position in batch:
                    yield from [position] * self._each


def mismatched(collate: Callable[[list[Example]], Example]) -> Callable[[list[Example]], Example]:
    """A collator for KTO, which estimates how far the model went from its reference on answers to other prompts
    (Ethayarajh et al. 2024, sec. 4.1): in each batch, a prompt gets the answer of the example before it."""

    def collated(examples: list[Example]) -> Example:
        others = [examples[-1], *examples[:-1]]
        return collate(
            [
                {**example, "KL_completion_ids": other["completion_ids"]}
                for example, other in zip(examples, others, strict=True)
            ]
        )

    return collated
