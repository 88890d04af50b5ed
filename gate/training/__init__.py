"""From a recipe and approved snapshots to a candidate and its training record.

Two processes share this package. gate's own reads recipes, checks the base, plans, launches and records: it imports no
torch. The other runs one of the scripts in `trainers/`, which are linear and short because what they share lies here;
those modules import torch, transformers, trl and peft inside their functions. The two speak through files in the run's
folder: `run.json` (gate.training.run_file) goes in, `events.jsonl` (gate.training.events) and what stands beside it
come out.
"""
