"""Metrics, tallies of the hot path, logs and incidents."""
