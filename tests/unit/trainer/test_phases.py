from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from trainer.memory import family, high_water_bytes, resident_bytes
from trainer.phases import Phase, Phases, phase_figures

MIB = 1 << 20
HOLDING = "import sys; held = bytearray(b'x') * (64 << 20); print('ready', flush=True); sys.stdin.read()"


def held(size: int) -> np.ndarray:
    """Returns an array whose memory is there and not only promised."""
    return np.ones(size, dtype=np.uint8)


def search_without_result(phases: Phases) -> None:
    phases.begin("search")
    raise KeyError


def test_each_phase_ends_where_the_next_begins_or_with_the_block() -> None:
    with Phases() as phases:
        phases.begin("reading")
        phases.count(7)
        phases.begin("fit", 5)
        assert [phase.name for phase in phases.ended] == ["reading"]
    assert [(phase.name, phase.rows) for phase in phases.ended] == [("reading", 7), ("fit", 5)]
    assert all(phase.seconds >= 0 for phase in phases.ended)


def test_what_is_between_two_phases_belongs_to_none() -> None:
    with Phases() as phases:
        phases.begin("publishing")
        phases.end()
    assert [phase.name for phase in phases.ended] == ["publishing"]


def test_a_phase_that_an_error_ends_is_noted_and_the_error_goes_on() -> None:
    phases = Phases()
    with pytest.raises(KeyError), phases:
        search_without_result(phases)
    assert [phase.name for phase in phases.ended] == ["search"]


def test_the_peak_of_a_phase_is_what_was_held_in_it_though_it_was_let_go_before_its_end() -> None:
    with Phases() as phases:
        phases.begin("small")
        phases.begin("large")
        before = high_water_bytes(os.getpid())
        space = before - resident_bytes(os.getpid())  # memory that was held and let go before
        large = held(space + 256 * MIB)
        del large
        phases.end()
    small, large_ = phases.ended
    assert large_.peak_bytes > before + 128 * MIB
    assert small.peak_bytes <= before


def test_the_highest_mark_of_the_process_is_left_as_it_is() -> None:
    before = high_water_bytes(os.getpid())
    with Phases() as phases:
        phases.begin("one")
        phases.begin("two")
    assert high_water_bytes(os.getpid()) >= before


def test_the_largest_process_that_was_started_is_seen_without_what_it_shares() -> None:
    with Phases() as phases:
        phases.begin("alone")
        phases.begin("with another")
        command = [sys.executable, "-c", HOLDING]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            assert family(os.getpid())[0] == os.getpid()
            assert other.pid in family(os.getpid())
            whole, own = resident_bytes(other.pid), resident_bytes(other.pid, shared=False)
            phases.end()
            other.communicate()
    assert 64 * MIB <= own < whole
    assert phases.ended[1].worker_peak_bytes >= 64 * MIB


def test_a_process_that_has_ended_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        assert resident_bytes(ended.pid) == high_water_bytes(ended.pid) == 0


def test_figures_are_named_by_phase_and_have_rows_only_where_there_are_some() -> None:
    phases = (Phase("fit", 1.23456, 10, 300, 0), Phase("documents", 0.5, None, 200, 100))
    assert phase_figures(phases) == {
        "phases.fit.seconds": 1.235,
        "phases.fit.peak_bytes": 300,
        "phases.fit.worker_peak_bytes": 0,
        "phases.fit.rows": 10,
        "phases.documents.seconds": 0.5,
        "phases.documents.peak_bytes": 200,
        "phases.documents.worker_peak_bytes": 100,
    }
