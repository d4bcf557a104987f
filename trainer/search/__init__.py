"""The search for settings with Ray Tune."""
