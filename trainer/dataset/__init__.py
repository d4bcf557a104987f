"""From transactions to rows with features: replay, shards, windows."""
