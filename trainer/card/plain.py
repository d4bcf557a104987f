"""Values of a run made fit for a document: JSON's own types, finite numbers, no secrets.

NumPy's numbers become Python's, NaN and infinities None, anything else its text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_PARAMETERS = re.compile(r"(?i)(\b\w*(?:password|passwd|pwd|secret|token|api_?key)\w*\s*=\s*)[^&\s;,'\"]+")
_SECRET_NAME = re.compile(r"(?i)(password|passwd|secret|token|hash_?key|api_?key|credential)")
HIDDEN = "(not shown)"


def plain(value: Any) -> Any:
    """Returns a value as JSON holds it, with what looks like a secret taken out of texts and mappings."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, int) and not hasattr(value, "name"):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _member(str(name), member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        members = [plain(member) for member in value]
        return sorted(members, key=str) if isinstance(value, set | frozenset) else members
    return without_credentials(str(value))


def _member(name: str, value: Any) -> Any:
    return HIDDEN if value and _SECRET_NAME.search(name) and not isinstance(value, bool) else plain(value)


def without_credentials(text: str) -> str:
    """Returns a text with the user and password of an address, and `password=…`, taken out."""
    return _PARAMETERS.sub(r"\1" + HIDDEN, _CREDENTIALS.sub("", text))


def scalar(value: Any) -> str | int | float | bool | None:
    """Returns a value as one scalar; a list or mapping as its text."""
    found = plain(value)
    return found if found is None or isinstance(found, str | int | float | bool) else str(found)


def number(value: Any) -> float | None:
    """Returns a finite number or None."""
    found = plain(value)
    return float(found) if isinstance(found, int | float) else None


def first(values: Mapping[str, Any], *names: str) -> Any:
    """Returns the first of these entries that is there and not None."""
    for name in names:
        if values.get(name) is not None:
            return values[name]
    return None
