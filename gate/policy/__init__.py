"""What a dataset has to satisfy: `rules/*.yaml` read, merged, validated, and explained; knows no check."""
