"""Journals with `durability = "disk"` on machines whose power goes at each moment of their work.

`LOSSES` of the environment is how often at least; 10,000 by default.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from tests.support.journals import key_ring
from tests.support.power_loss.lives import Machine
from tests.support.results import record

LOSSES = int(os.environ.get("LOSSES", "10000"))


def test_losses_of_power_lose_nothing_that_was_said_to_be_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = events = torn = 0
    for seed in count(1):
        with monkeypatch.context() as patch:
            machine = Machine(tmp_path / f"{seed}", patch, seed, key_ring("1.key") if seed % 4 == 0 else None)
            for _ in range(4):
                machine.run(lives=2, size=30)
        losses, events, torn = losses + machine.states, events + machine.events, torn + machine.torn
        if losses >= LOSSES:
            break
    record("power-loss", losses=losses, events=events, torn_tails=torn)
