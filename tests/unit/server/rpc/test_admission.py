from __future__ import annotations

import pytest

from server.errors import OverloadedError, ShuttingDownError
from server.rpc.admission.gates import Frames, Gate


def test_a_gate_lets_in_as_many_as_its_limit_and_again_when_they_left() -> None:
    gate = Gate("calls", 2)
    with gate, gate:
        with pytest.raises(OverloadedError) as caught, gate:
            pass
        assert (caught.value.resource, caught.value.limit) == ("calls", 2)
        assert gate.inside == 2
    assert gate.inside == 0
    with gate:
        pass


def test_an_error_inside_frees_the_place() -> None:
    gate = Gate("calls", 1)
    with pytest.raises(ValueError, match="inside"), gate:
        raise ValueError("inside")
    assert gate.inside == 0


def test_a_closed_gate_lets_nobody_in_and_whoever_is_in_leaves() -> None:
    gate = Gate("streams", 2)
    with gate:
        gate.close()
        with pytest.raises(ShuttingDownError), gate:
            pass
    assert gate.inside == 0


def test_a_gate_refuses_a_caller_at_its_own_limit_and_keeps_the_place() -> None:
    gate = Gate("calls", 3, per_caller=1)
    assert gate.enter("a") is None
    refusal = gate.enter("a")
    assert isinstance(refusal, OverloadedError)
    assert (refusal.resource, refusal.limit, refusal.scope) == ("calls", 1, "caller")
    assert gate.inside == 1
    assert gate.enter("b") is None
    gate.leave("a")
    assert gate.enter("a") is None


def test_a_gate_counts_callers_only_where_their_limit_is_below_its_own() -> None:
    assert not Gate("calls", 2, per_caller=2).counts_callers
    assert not Gate("calls", 2).counts_callers
    assert Gate("calls", 2, per_caller=1).counts_callers


def test_frames_at_work_are_counted_and_begin_no_more_once_closed() -> None:
    frames = Frames()
    with frames, frames:
        assert frames.inside == 2
        frames.close()
    assert frames.inside == 0
    with pytest.raises(ShuttingDownError), frames:
        pass
    assert frames.inside == 0
