"""Starts the command line: `python -m clients`, or `kuntur` once installed."""

from __future__ import annotations

import os

# gRPC reads it when it is imported: else a handshake that fails writes a line of its own beside the sentence.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from clients.cli.app import app  # see above


def main() -> None:
    """Runs the command that the arguments name; ends the process with its exit code."""
    app()


if __name__ == "__main__":
    main()
