"""Continued pre-training on plain text: every token is learned, and documents end with the end token.

Started by `gate train`, which wrote the run's file:  accelerate launch trainers/pretrain.py RUN/run.json
"""

from __future__ import annotations

import sys

import gate
from gate.training.arguments import training_arguments
from gate.training.callbacks import callbacks
from gate.training.finish import finish
from gate.training.guards import guarded
from gate.training.isolation import check_packing
from gate.training.methods import trainable_parameters, with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.prepared import prepared
from gate.training.rows import training_rows
from gate.training.session import session
from gate.training.tokens import text_tokens


def main(path: str = "run.json") -> None:
    """Train a candidate as `run.json` says."""
    with session(path) as (run, events):
        from trl import SFTConfig, SFTTrainer

        # --- Rows: approved snapshots, and nothing else ---
        events.say("stage", name="data")
        opened = [
            (use, gate.open_snapshot(use.snapshot, store=run.store, trust=run.trust, trust_revision=run.trust_revision))
            for use in run.snapshots
        ]
        rows = training_rows(run, opened)

        # --- Tokens, and what becomes of every row ---
        tokenizer = load_tokenizer(run)
        tokens = text_tokens(rows, tokenizer, run)
        tokens.account.settle(run, events)

        # --- Model ---
        events.say("stage", name="model")
        model = with_method(load_model(run, tokenizer), run)
        trainable, total = trainable_parameters(model)
        events.say("parameters", trainable=trainable, total=total)
        check_packing(model, run)

        # --- Trainer ---
        trainer = guarded(prepared(SFTTrainer))(
            run=run,
            events=events,
            model=model,
            args=training_arguments(run, SFTConfig, padding_free=run.recipe.packing),
            train_dataset=tokens.train,
            eval_dataset=tokens.validation,
            processing_class=tokenizer,
            callbacks=callbacks(run, tokenizer, rows, events),
        )

        # --- Train, and keep the best ---
        events.say("stage", name="training")
        trainer.train(resume_from_checkpoint=run.resume)
        finish(run, trainer, tokenizer, tokens.account, events)


if __name__ == "__main__":
    main(*sys.argv[1:2])
