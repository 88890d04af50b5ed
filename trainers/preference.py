"""Learning from preferences: DPO and ORPO from pairs of answers, KTO from answers that were liked or not.

DPO (Rafailov et al. 2023) and KTO (Ethayarajh et al. 2024) hold the model to a reference, which is the base: the model
with its adapter off, or a second copy where all weights are trained. ORPO (Hong et al. 2024) needs none.

Started by `gate train`, which wrote the run's file:  accelerate launch trainers/preference.py RUN/run.json
"""

from __future__ import annotations

import sys

import gate
from gate.training.arguments import training_arguments
from gate.training.callbacks import callbacks
from gate.training.finish import finish
from gate.training.guards import guarded
from gate.training.methods import trainable_parameters, with_method
from gate.training.model import load_model, load_tokenizer
from gate.training.preference_models import reference
from gate.training.prepared import prepared
from gate.training.rows import training_rows
from gate.training.session import session
from gate.training.tokens import feedback_tokens, preference_tokens


def main(path: str = "run.json") -> None:
    """Train a candidate as `run.json` says."""
    with session(path) as (run, events):
        match run.recipe.objective:
            case "dpo":
                from trl import DPOConfig as Config
                from trl import DPOTrainer as Trainer
            case "orpo":
                from trl.experimental.orpo import ORPOConfig as Config
                from trl.experimental.orpo import ORPOTrainer as Trainer
            case _:
                from trl import KTOConfig as Config
                from trl import KTOTrainer as Trainer

        # --- Rows: approved snapshots, and nothing else ---
        events.say("stage", name="data")
        opened = [
            (use, gate.open_snapshot(use.snapshot, store=run.store, trust=run.trust, trust_revision=run.trust_revision))
            for use in run.snapshots
        ]
        rows = training_rows(run, opened)

        # --- Tokens, and what becomes of every row ---
        tokenizer = load_tokenizer(run)
        tokens = (feedback_tokens if run.recipe.objective == "kto" else preference_tokens)(rows, tokenizer, run)
        tokens.account.settle(run, events)

        # --- Model, and what it is held to ---
        events.say("stage", name="model")
        model = with_method(load_model(run, tokenizer), run)
        trainable, total = trainable_parameters(model)
        events.say("parameters", trainable=trainable, total=total)

        # --- Trainer ---
        trainer = guarded(prepared(Trainer))(
            run=run,
            events=events,
            model=model,
            args=training_arguments(run, Config),
            train_dataset=tokens.train,
            eval_dataset=tokens.validation,
            processing_class=tokenizer,
            callbacks=callbacks(run, tokenizer, rows, events),
            **reference(model, tokenizer, run),
        )

        # --- Train, and keep the best ---
        events.say("stage", name="training")
        trainer.train(resume_from_checkpoint=run.resume)
        finish(run, trainer, tokenizer, tokens.account, events)


if __name__ == "__main__":
    main(*sys.argv[1:2])
