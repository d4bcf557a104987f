"""Starts the command line: `python -m clients`, or `kuntur` once installed."""

from __future__ import annotations

from clients.cli.app import app


def main() -> None:
    """Runs the command that the arguments name; ends the process with its exit code."""
    app()


if __name__ == "__main__":
    main()
