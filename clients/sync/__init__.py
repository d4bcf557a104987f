"""The blocking client: calls, streams of frames, and scorers that pack single transactions."""
