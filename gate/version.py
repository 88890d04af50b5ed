"""The version of gate; the release notes are in CHANGELOG.md."""

__version__ = "0.1.0"
