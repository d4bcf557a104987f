"""What every part of the document is: frozen, without unknown names, each field told by its docstring."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Scalars = dict[str, str | int | float | bool | None]


class Part(BaseModel):
    """A part of the document."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
