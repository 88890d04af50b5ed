"""Puts the folders that reviewers argue about into the wheel, under `gate/`.

A hook and not `force-include`, because hatchling applies that to editable installs too, where it leaves
copies behind that go stale.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("rules", "trainers", "reports")


class ShipFolders(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"].update({folder: f"gate/{folder}" for folder in FOLDERS})
