"""What a client sends and gets back, as plain values, and how they go over the wire."""
