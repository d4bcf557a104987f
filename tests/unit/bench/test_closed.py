import os
import ssl
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from bench.load import closed
from bench.load.frames import header_blocks
from bench.load.h2load import LoadError
from bench.measuring.certificates import self_signed

_METHOD = "kuntur.api.v1.ScoringService/ScoreTransaction"
_CORE = min(os.sched_getaffinity(0))
_BODIES = [b"%d" % number * 20 for number in range(700)]


def _answer(request, context):
    del request, context
    return b"answer"


def _framed(bodies):
    return [struct.pack(">BI", 0, len(body)) + body for body in bodies]


def _written(folder, bodies):
    path = folder / "bodies.bin"
    path.write_bytes(b"".join(_framed(bodies)))
    return path


@pytest.fixture
def served():
    servers = []

    def serve(handle, credentials=None):
        server = grpc.server(ThreadPoolExecutor(4))
        method = grpc.unary_unary_rpc_method_handler(handle)
        service, name = _METHOD.split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.stop(None)


def _sent(address, bodies, in_flight, authorization=""):
    requests = closed.requests_of(
        _framed(bodies), *header_blocks(address, _METHOD, authorization=authorization)
    )
    with closed.connect(address) as connection:
        return closed.send_all(connection, requests, in_flight)


@pytest.mark.parametrize("in_flight", [1, 32])
def test_each_body_arrives_once_and_its_answer_ends_its_call(served, tmp_path, in_flight):
    came = []

    def handle(request, context):
        came.append(request)
        return b"answer"

    load = closed.run(
        served(handle), _METHOD, _written(tmp_path, _BODIES), requests=700, in_flight=in_flight, core=_CORE
    )
    assert sorted(came) == sorted(_BODIES)
    assert load.requests == len(load.latencies_s) == 700
    assert (load.latencies_s > 0).all()
    assert (load.latencies_s <= load.seconds).all()
    assert [path.name for path in tmp_path.iterdir()] == ["bodies.bin"]


def test_only_as_many_calls_are_in_flight_as_wanted(served):
    lock, inside, most = threading.Lock(), [0], [0]
    both = threading.Barrier(2)

    def handle(request, context):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        both.wait(30)  # each call meets another one, so two are there at once
        with lock:
            inside[0] -= 1
        return b"answer"

    _sent(served(handle), _BODIES[:40], 2)
    assert most == [2]


def test_headers_arrive_whole_in_the_first_call_and_in_those_after_it(served):
    token = "Bearer " + "t" * 500
    seen = []

    def handle(request, context):
        seen.append(dict(context.invocation_metadata()).get("authorization"))
        return b"answer"

    _sent(served(handle), _BODIES[:5], 1, token)
    assert seen == [token] * 5


def test_calls_after_the_first_name_the_places_of_their_headers():
    first, after = header_blocks("127.0.0.1:1", _METHOD, authorization="Bearer t")
    assert b"trailers" in first
    assert after == b"\x83\x86\xc2\xc1\xc0\xbf\xbe"


def test_headers_too_long_for_the_table_are_refused():
    with pytest.raises(ValueError, match="shorter token"):
        header_blocks("127.0.0.1:1", _METHOD, authorization="t" * 4_000)


def test_more_than_the_window_of_the_connection_takes_goes_out_as_it_opens(served):
    bodies = [b"%d" % (number % 10) * 16_000 for number in range(64)]
    came = []

    def handle(request, context):
        came.append(request)
        return b"answer"

    _sent(served(handle), bodies, 32)
    assert sorted(came) == sorted(bodies)


def test_answers_larger_than_a_read_are_taken(served):
    def handle(request, context):
        return request * 100_000

    sent, ended = _sent(served(handle), [b"0123456789"] * 20, 8)
    assert all(end > begin for begin, end in zip(sent, ended, strict=True))


def test_a_body_that_one_frame_does_not_take_is_refused():
    with pytest.raises(ValueError, match="body 1 has 20000 bytes"):
        closed.requests_of([b"x", b"x" * 20_000], b"", b"")


def test_calls_go_over_tls(served, tmp_path):
    certificate, key = self_signed(tmp_path)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    address = served(_answer, credentials)
    load = closed.run(
        address, _METHOD, _written(tmp_path, _BODIES), requests=300, in_flight=32, core=_CORE, tls=True
    )
    assert len(load.latencies_s) == 300


def test_a_server_without_tls_is_told(served):
    address = served(_answer)
    with pytest.raises(ssl.SSLError):
        closed.connect(address, tls=True)


def test_a_call_that_fails_ends_the_load(served, tmp_path):
    def handle(request, context):
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    with pytest.raises(LoadError, match="call 0 of 5 was refused or failed"):
        closed.run(served(handle), _METHOD, _written(tmp_path, _BODIES), requests=5, in_flight=1, core=_CORE)


def test_a_file_with_too_few_bodies_is_told(served, tmp_path):
    address = served(_answer)
    with pytest.raises(LoadError, match="has 700 bodies, 701 are needed"):
        closed.run(address, _METHOD, _written(tmp_path, _BODIES), requests=701, in_flight=1, core=_CORE)


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(LoadError, match="refused"):
        closed.run("127.0.0.1:1", _METHOD, _written(tmp_path, _BODIES), requests=1, in_flight=1, core=_CORE)
