"""Whether what an engine needs is installed, and how to install it: asked before anything runs.

Nothing is ever downloaded by gate, and weights are read from safetensors only.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from gate.checks.presidio.engine import EngineName
from gate.errors import MissingDependency

_PACKAGES: dict[EngineName, tuple[str, ...]] = {
    "blank": (),
    "spacy": ("spacy",),
    "transformers": ("transformers", "torch"),
    "gliner": ("gliner", "torch"),
}


def require(engine: EngineName, model: str | None) -> None:
    """Raise unless the engine can run here.

    Raises:
        MissingDependency: a package or the model is not installed; the message holds the command that installs it.
    """
    if engine == "blank" or model is None:
        return
    missing = [name for name in _PACKAGES[engine] if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"the pii engine `{engine}` needs {' and '.join(missing)}, not installed here",
            remedy=f"pip install {' '.join(missing)}   (or use `engine: blank`, which finds no names and places)",
        )
    folder = Path(model)
    if engine == "spacy":
        if (folder / "config.cfg").is_file() or (re.fullmatch(r"\w+", model) and find_spec(model) is not None):
            return
        raise MissingDependency(
            f"the spaCy pipeline `{model}` is not installed", remedy=f"python -m spacy download {model}"
        )
    if not (folder / "config.json").is_file() and not (folder / "gliner_config.json").is_file():
        name = folder.name or model
        raise MissingDependency(
            f"the model `{model}` is not a folder on this machine",
            remedy=f"hf download {model} --local-dir models/{name}   and then `model: models/{name}`",
        )
    if not any(folder.glob("*.safetensors")):
        raise MissingDependency(
            f"the model in `{model}` has no safetensors weights, and gate loads no others",
            remedy="load it with transformers where you trust it, and save_pretrained(..., safe_serialization=True)",
        )
