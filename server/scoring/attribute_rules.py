"""Refuses transactions whose attributes do not match the live model's, where the settings ask for it.

What is refused is counted in no history.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.validation.messages import Violation
from kuntur.wire import Reading

_MOST_NAMED = 20  # a model may take 64


@dataclass(frozen=True, slots=True)
class AttributeRules:
    """What is refused: transactions with an unknown attribute, and those that lack one."""

    refuse_unknown: bool
    refuse_missing: bool

    def __bool__(self) -> bool:
        return self.refuse_unknown or self.refuse_missing

    def kept(self, reading: Reading, wanted: frozenset[str], model_version: str) -> Reading:
        """Returns a reading in which the transactions that break the rules are refused.

        Args:
            reading: As it came.
            wanted: Names of the attributes that the live model takes.
            model_version: Its name.
        """
        batch = reading.batch
        broken: dict[int, list[Violation]] = {}
        for name, rows, rule in self._broken(batch.attributes, wanted, len(batch), model_version):
            for row in rows.tolist():
                broken.setdefault(row, []).append(Violation(f'attributes["{name}"]', rule))
        if not broken:
            return reading
        good = np.setdiff1d(np.arange(len(batch)), list(broken))
        refused = {int(reading.places[row]): violations for row, violations in broken.items()}
        return reading._replace(
            batch=batch.rows(good), places=reading.places[good], violations=reading.violations | refused
        )

    def _broken(
        self,
        attributes: Mapping[str, npt.NDArray[np.float64]],
        wanted: frozenset[str],
        rows: int,
        model_version: str,
    ) -> Iterator[tuple[str, npt.NDArray[np.intp], str]]:
        """Yields an attribute's name, the rows in which it breaks a rule, and the rule, ordered by name."""
        if self.refuse_unknown:
            for name in sorted(attributes.keys() - wanted):
                given = np.flatnonzero(~np.isnan(attributes[name]))
                if len(given):
                    yield name, given, _unknown(name, wanted, model_version)
        if self.refuse_missing:
            for name in sorted(wanted):
                values = attributes.get(name)
                lacking = np.arange(rows) if values is None else np.flatnonzero(np.isnan(values))
                yield name, lacking, f"is required by the live model {model_version}"


def _unknown(name: str, wanted: frozenset[str], model_version: str) -> str:
    rule = f"is no attribute of the live model {model_version}"
    if not wanted:
        return f"{rule}, which takes none"
    near = difflib.get_close_matches(name, sorted(wanted), n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    named = ", ".join(sorted(wanted)[:_MOST_NAMED]) + (", …" if len(wanted) > _MOST_NAMED else "")
    return f"{rule}{meant} It takes {named}" if near else f"{rule}; it takes {named}"
