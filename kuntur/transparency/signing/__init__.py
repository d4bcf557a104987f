"""The process that signs checkpoints, the places where it puts them, and the witnesses that cosign them."""
