"""Which policy judges which kind of example."""

from __future__ import annotations

from gate.data.frame import Kind
from gate.folders import Folders
from gate.policy.load import load_policy
from gate.policy.model import Policy
from gate.policy.settings import Settings


def policy_for(kind: Kind | None, override: str | None, settings: Settings, folders: Folders) -> Policy:
    """The policy of a kind: the one asked for, else that of `gate.yaml`, else the one named after the kind.

    Args:
        kind: `None` for rows whose kind is not known, which `base` judges.
        override: a name or file that wins over everything, such as `--policy` gives.

    Raises:
        PolicyError: there is no such policy, or it does not say something gate can do.
    """
    if override is not None:
        return load_policy(override, folders, kind=kind)
    name = kind or "base"
    if name in settings.policy:
        asked = settings.places.get(f"policy.{name}") or settings.places.get("policy")
        return load_policy(settings.policy[name], folders, kind=kind, asked=asked)
    return load_policy(name, folders, kind=kind)
