"""TOML that anybody may have written: whatever keeps a text from being read is an error of the form."""

from __future__ import annotations

import tomllib
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """Returns what a document says. Raises TOMLDecodeError, and nothing else.

    By itself `tomllib` goes on until Python's stack ends where brackets nest, and leaves numbers of thousands
    of digits to Python, which refuses them in its own way.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it nests too deep") from error
    except ValueError as error:
        raise tomllib.TOMLDecodeError("a number in it is too long") from error
