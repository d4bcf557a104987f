"""The scoring server: transactions in over gRPC, scores out, models swapped while it serves."""
