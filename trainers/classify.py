"""A classifier: a head on the base, which is frozen or trained by an adapter, and one class for each conversation.

The class is a column of the records (`label:` in the recipe), else the answer.

Started by `gate train`, which wrote the run's file:  accelerate launch trainers/classify.py RUN/run.json
"""

from __future__ import annotations

import sys

import gate
from gate.training.arguments import training_arguments
from gate.training.callbacks import callbacks
from gate.training.classes import class_scores
from gate.training.finish import finish
from gate.training.guards import guarded
from gate.training.methods import trainable_parameters, with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.prepared import prepared
from gate.training.rows import training_rows
from gate.training.session import session
from gate.training.tokens import class_tokens


def main(path: str = "run.json") -> None:
    """Train a candidate as `run.json` says."""
    with session(path) as (run, events):
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

        # --- Rows: approved snapshots, and nothing else ---
        events.say("stage", name="data")
        opened = [
            (use, gate.open_snapshot(use.snapshot, store=run.store, trust=run.trust, trust_revision=run.trust_revision))
            for use in run.snapshots
        ]
        rows = training_rows(run, opened)

        # --- Tokens, and what becomes of every row ---
        tokenizer = load_tokenizer(run)
        tokens = class_tokens(rows, tokenizer, run)
        tokens.account.settle(run, events)

        # --- Model: the base with an output for each class ---
        events.say("stage", name="model")
        model = with_method(load_model(run, tokenizer, kind="classifier", labels=tokens.classes), run)
        trainable, total = trainable_parameters(model)
        events.say("parameters", trainable=trainable, total=total)

        # --- Trainer ---
        trainer = guarded(prepared(Trainer))(
            run=run,
            events=events,
            model=model,
            args=training_arguments(run, TrainingArguments),
            train_dataset=tokens.train,
            eval_dataset=tokens.validation,
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=class_scores,
            callbacks=callbacks(run, tokenizer, rows, events),
        )

        # --- Train, and keep the best ---
        events.say("stage", name="training")
        trainer.train(resume_from_checkpoint=run.resume)
        finish(run, trainer, tokenizer, tokens.account, events)


if __name__ == "__main__":
    main(*sys.argv[1:2])
