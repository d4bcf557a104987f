"""Runs the trainer: `python -m trainer`, or `kuntur-trainer`."""

from trainer.cli.app import app


def main() -> None:
    """Runs the command line."""
    app()


if __name__ == "__main__":
    main()
