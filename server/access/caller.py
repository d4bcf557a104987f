"""Who calls, as the rest of the server sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kuntur.wire import InstitutionSet
from server.access.roles import RULES


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who calls and what they may do."""

    identity: str
    """Name of the caller; empty where nobody is asked."""
    methods: frozenset[str]
    """Full names of the methods that they may call."""
    institutions: InstitutionSet | None = None
    """The institutions that they act for; None: all."""
    bindings: object = None
    """What they have their rights by; None where nobody is asked."""
    expires: float = math.inf
    """By time.time: until then what they showed is good, and a stream that they open may last."""
    max_calls: int | None = None
    """Calls in flight at a time; None: as the server's limits have it."""
    max_streams: int | None = None
    """Streams open at a time; None: the same."""

    def may_act_for(self, institution_id: str) -> bool:
        """Returns whether transactions and outcomes of an institution may come from them."""
        return self.institutions is None or institution_id in self.institutions


ANYONE = Caller("", frozenset(RULES))
"""Whoever calls where nobody is asked."""
