"""Measurements of the server and its parts, as ratios against baselines of the same run."""
