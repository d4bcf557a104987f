"""How good a model is: figures, intervals, thresholds, drift, segments, latency."""
