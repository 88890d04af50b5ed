"""Snapshots: immutable sets of admitted examples with their splits."""
