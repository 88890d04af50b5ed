"""trl's trainers without their own preparation of rows: what is trained on is exactly what was tokenised and counted.

Left to themselves they render, tokenise, cut and drop rows once more, in silence. Here they get token ids
(`gate.training.tokens`) and hand them on as they are, in the columns that each trainer's collator reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import EvalPrediction, Trainer


def prepared(trainer_class: type[Trainer]) -> type[Trainer]:
    """A trainer of trl's that trains on rows of token ids as they are.

    The columns of its datasets: `input_ids` and `labels` for SFT; `prompt_ids`, `chosen_ids` and `rejected_ids` for
    DPO, ORPO and reward models; `prompt_ids`, `completion_ids` and `label` for KTO; `prompt` for RLOO and GRPO.
    """

    class Prepared(trainer_class):  # type: ignore[misc, valid-type]  # any trainer: known when it runs
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # trl's own, handed on
            super().__init__(*args, **kwargs)
            if "ref" in getattr(self.model, "peft_config", {}):
                # trl copies a fresh adapter to have a reference, and would save the copy with each checkpoint; the
                # reference is the base, which is the model with its adapter off.
                self.model.delete_adapter("ref")

        def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
            wanted = {"chosen_ids", "rejected_ids"}
            whole = trainer_class.__name__ == "RewardTrainer" and wanted < set(dataset.column_names)
            return dataset.map(_joined, remove_columns=["prompt_ids"]) if whole else dataset

        def tokenize_row(self, row: dict[str, Any], model: object = None) -> dict[str, Any]:  # ORPO's
            return _labelled(row)

        def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, dict[str, Any]]:
            return prompts, None, {}  # RLOO's and GRPO's

    Prepared.__name__ = Prepared.__qualname__ = trainer_class.__name__
    return Prepared


def _joined(row: dict[str, Any]) -> dict[str, Any]:
    """What a reward model reads: each answer behind its prompt."""
    return {side: row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids")}


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of ORPO's collator; labels are -100 over the prompt."""
    prompt, made = row["prompt_ids"], {}
    for side in ("chosen", "rejected"):
        answer = row[f"{side}_ids"]
        made[f"{side}_input_ids"] = prompt + answer
        made[f"{side}_attention_mask"] = [1] * (len(prompt) + len(answer))
        made[f"{side}_labels"] = [-100] * len(prompt) + answer
    return made | {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}


def accuracy(predicted: EvalPrediction) -> dict[str, float]:
    """The share of examples whose likeliest class is theirs."""
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}
