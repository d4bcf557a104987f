import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from bench.load.frames import header_block
from bench.load.openloop import OpenLoad, due_times, send_all, split_bodies
from bench.load.workload import grpc_frames

_METHOD = "kuntur.api.v1.ScoringService/ScoreTransaction"


def _served(handle):
    server = grpc.server(ThreadPoolExecutor(1))  # one at a time: the others wait
    method = grpc.unary_unary_rpc_method_handler(handle)
    service, name = _METHOD.split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def test_even_calls_are_due_at_equal_distances():
    assert due_times(4.0, 4, "even") == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_calls_at_random_keep_the_mean_rate_and_repeat():
    due = due_times(1_000.0, 20_000, "poisson")
    assert due[0] == 0
    assert len(due) / due[-1] == pytest.approx(1_000.0, rel=0.03)
    assert np.array_equal(due, due_times(1_000.0, 20_000, "poisson"))


def test_a_call_sent_late_counts_from_when_it_was_due():
    load = OpenLoad(
        due=np.array([0.0, 0.1, 0.2]),
        sent=np.array([0.0, 1.0, 1.0]),
        ended=np.array([1.0, 1.1, 1.2]),
        ok=np.array([True, True, True]),
    )
    assert load.latencies_s == pytest.approx([1.0, 1.0, 1.0])
    assert load.percentile_ms(50) == pytest.approx(1_000.0)


def test_refused_calls_are_counted_apart_and_have_no_latency():
    load = OpenLoad(np.zeros(2), np.zeros(2), np.array([1.0, 9.0]), np.array([True, False]))
    assert load.refused == 1
    assert load.percentile_ms(99) == pytest.approx(1_000.0)


def test_bodies_that_stand_behind_one_another_are_cut_apart():
    raw = [b"one", b"", b"three"]
    assert split_bodies(grpc_frames(raw, 1)) == [grpc_frames([body], 1) for body in raw]


def test_a_header_too_long_for_its_length_is_refused():
    with pytest.raises(ValueError, match="longer"):
        header_block("127.0.0.1:1", "a" * 200)


def test_each_body_arrives_once_and_its_answer_ends_its_call():
    came = []

    def handle(request, context):
        came.append(request)
        return b"answer"

    server, address = _served(handle)
    bodies = split_bodies(grpc_frames([b"%d" % number for number in range(200)], 1))
    load = send_all(address, _METHOD, bodies, due_times(2_000.0, 200, "even"), 3)
    server.stop(None)
    assert sorted(came) == sorted(body[5:] for body in bodies)
    assert load.refused == 0
    assert (load.ended >= load.sent).all()
    assert (load.sent >= load.due).all()


def test_calls_behind_a_held_one_count_their_waiting():
    first = threading.Event()

    def handle(request, context):
        if not first.is_set():
            first.set()
            time.sleep(0.3)
        return b"answer"

    server, address = _served(handle)
    bodies = split_bodies(grpc_frames([b"x"] * 50, 1))
    load = send_all(address, _METHOD, bodies, due_times(1_000.0, 50, "even"), 1)
    server.stop(None)
    assert (load.latencies_s > 0.2).all()


def test_a_call_that_fails_is_no_success():
    def handle(request, context):
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    server, address = _served(handle)
    bodies = split_bodies(grpc_frames([b"x"] * 20, 1))
    load = send_all(address, _METHOD, bodies, due_times(1_000.0, 20, "even"), 1)
    server.stop(None)
    assert load.refused == 20


def test_a_server_that_is_not_there_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(OSError, match="refused"):
        send_all(address, _METHOD, [], due_times(1.0, 0, "even"), 1)


def test_what_is_typical_leaves_out_a_pause_that_comes_now_and_then():
    due = np.arange(10_001) / 1000.0
    latencies = np.tile(np.linspace(0.001, 0.002, 100), 101)[: len(due)]
    latencies[4_000:4_150] = 0.5
    load = OpenLoad(due, due, due + latencies, np.ones(len(due), bool))
    assert load.percentile_ms(99) == pytest.approx(500)
    assert load.typical_ms(99) == pytest.approx(1.99, abs=0.01)
    assert load.typical_ms(50) == pytest.approx(1.5, abs=0.01)


def test_what_a_call_waited_in_the_generator_can_be_left_out():
    due = np.arange(10_001) / 1000.0
    load = OpenLoad(due, due + 0.003, due + 0.005, np.ones(len(due), bool))
    assert load.typical_ms(99) == pytest.approx(5)
    assert load.typical_ms(99, since_sent=True) == pytest.approx(2)


def test_nothing_is_typical_where_nothing_succeeded():
    due = np.arange(300) / 1000.0
    assert np.isnan(OpenLoad(due, due, due, np.zeros(len(due), bool)).typical_ms(99))
