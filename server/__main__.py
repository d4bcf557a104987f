"""Entry of `kuntur-server` and `python -m server`."""

from __future__ import annotations

from server.cli.app import main

if __name__ == "__main__":
    main()
