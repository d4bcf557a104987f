"""The power goes at any moment: what was said to be on the disk is there, and a server starts and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.journals import key_ring
from tests.support.power_loss.lives import Machine


@pytest.mark.parametrize("encrypted", [False, True])
def test_what_was_said_to_be_on_the_disk_is_there_after_the_power_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    machine = Machine(tmp_path, monkeypatch, 17 + encrypted, key_ring("1.key") if encrypted else None)
    for _ in range(3):
        machine.run(lives=2, size=15, every=4)
    assert machine.states > 10
