"""Measurements of the server under load: latency, overload, reloads, streams, workers, long runs."""
