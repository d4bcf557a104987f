"""A witness over loopback: the statuses of C2SP's tlog-witness, and the client that logs use."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from kuntur.transparency.notes.checkpoint import SignedCheckpoint, open_checkpoint
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.request import MAX_REQUEST_BYTES, AddCheckpoint
from kuntur.transparency.signing.places import WITNESSED, Places
from kuntur.transparency.signing.witnesses import WitnessClient, WitnessError, WitnessRounds
from kuntur.transparency.tree.tree import Tree
from server.witness.http import STATUS, WitnessServer
from server.witness.refusals import RefusalError
from server.witness.witness import Witness
from tests.support.transparency import ORIGIN, grown, records, signed, signing_key

KEY = signing_key(9, KeyKind.WITNESS)
LOG = signing_key()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return grown(tmp_path / "tree", records(1000))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    witness = Witness([KEY], [LOG.verifier], tmp_path / "seen")
    server = WitnessServer("127.0.0.1", 0, witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    witness.close()


@pytest.fixture
def caller(server: WitnessServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    yield connection
    connection.close()


def asked(
    caller: http.client.HTTPConnection, body: bytes, path: str = "/add-checkpoint"
) -> tuple[int, str, bytes]:
    caller.request("POST", path, body)
    answer = caller.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


def request(tree: Tree, old: int, size: int, seed: int = 1) -> bytes:
    note = signed(tree, signing_key(seed), size=size)
    return AddCheckpoint(old, tuple(tree.consistency(old, size)), note.encode()).encode()


def test_answers_have_the_statuses_of_the_specification(
    caller: http.client.HTTPConnection, tree: Tree, tmp_path: Path
) -> None:
    """All over one connection, which is kept."""
    other = grown(tmp_path / "other", records(1001)[1:])
    stranger = signed(tree, signing_key(name="other.example/log"), origin="other.example/log")
    assert asked(caller, b"what")[0] == 400
    assert asked(caller, AddCheckpoint(0, (), stranger.encode()).encode())[0] == 404
    assert asked(caller, request(tree, 0, 500, seed=3))[0] == 403
    status, _, lines = asked(caller, request(tree, 0, 500))
    assert (status, lines.decode()[:2]) == (200, "— ")
    assert asked(caller, AddCheckpoint(600, (), signed(tree, size=500).encode()).encode())[0] == 400
    assert asked(caller, request(tree, 0, 700)) == (409, "text/x.tlog.size", b"500\n")
    assert asked(caller, request(other, 500, 700))[0] == 422
    assert asked(caller, request(tree, 500, 1000))[0] == 200


def test_every_refusal_has_a_status() -> None:
    assert set(STATUS) == set(RefusalError.__subclasses__())


def test_the_last_checkpoint_of_a_log_is_there_for_monitors(
    caller: http.client.HTTPConnection, tree: Tree
) -> None:
    where = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    for path in (where, "/", "/checkpoint", f"{where}/more", "/../checkpoint"):
        caller.request("GET", path)
        answer = caller.getresponse()
        answer.read()
        assert answer.status == 404
    asked(caller, request(tree, 0, 500))
    caller.request("GET", where)
    found = open_checkpoint(caller.getresponse().read(), [LOG.verifier])
    assert list(found.witnessed([KEY.verifier])) == [KEY.verifier]


def test_other_paths_and_too_large_requests_are_refused(server: WitnessServer) -> None:
    for path, headers, status in (
        ("/other", {"Content-Length": "0"}, 404),
        ("/add-checkpoint", {"Content-Length": str(MAX_REQUEST_BYTES + 1)}, 413),
        ("/add-checkpoint", {"Content-Length": "-1"}, 411),
        ("/add-checkpoint", {"Transfer-Encoding": "chunked"}, 411),
    ):
        caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        caller.putrequest("POST", path)
        for name, value in headers.items():
            caller.putheader(name, value)
        caller.endheaders()
        assert caller.getresponse().status == status
        caller.close()


def test_a_caller_that_goes_away_does_no_harm(server: WitnessServer, tree: Tree) -> None:
    for sent in (b"", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nold"):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(sent)
    caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    assert asked(caller, request(tree, 0, 500))[0] == 200
    caller.close()


def whole(tree: Tree, size: int) -> SignedCheckpoint:
    return open_checkpoint(signed(tree, size=size).encode(), [LOG.verifier])


def client(server: WitnessServer) -> WitnessClient:
    return WitnessClient(f"http://127.0.0.1:{server.port}", [KEY.verifier], 60)


def test_a_log_gets_its_cosignatures_also_without_knowing_what_the_witness_saw(
    server: WitnessServer, tree: Tree
) -> None:
    (first,) = client(server).cosign(whole(tree, 300), tree)
    assert first.is_of(KEY.verifier)
    second = client(server)  # knows nothing of the first
    assert second.cosign(whole(tree, 700), tree)
    assert second.cosign(whole(tree, 1000), tree)
    with pytest.raises(WitnessError, match="cut or put back"):
        client(server).cosign(whole(tree, 999), tree)


def test_a_log_that_was_forked_gets_none(server: WitnessServer, tree: Tree, tmp_path: Path) -> None:
    client(server).cosign(whole(tree, 300), tree)
    forked = grown(tmp_path / "forked", records(400)[1:])
    with pytest.raises(WitnessError, match="422"):
        client(server).cosign(whole(forked, 399), forked)


def test_an_answer_of_somebody_else_is_no_cosignature(server: WitnessServer, tree: Tree) -> None:
    other = WitnessClient(f"http://127.0.0.1:{server.port}/", [signing_key(8, KeyKind.WITNESS).verifier], 60)
    with pytest.raises(WitnessError, match="no cosignature of its own"):
        other.cosign(whole(tree, 300), tree)


def test_rounds_put_the_cosigned_checkpoint_beside_the_newest(
    server: WitnessServer, tree: Tree, tmp_path: Path
) -> None:
    told: list[str] = []
    places = Places((tmp_path / "here", tmp_path / "there"), told.append)
    away = WitnessClient("http://127.0.0.1:1", [KEY.verifier], 1)
    rounds = WitnessRounds(tree.directory, places, [away, client(server)], 3600, told.append)
    rounds.round()
    assert not told
    rounds.published(whole(tree, 1000))
    rounds.round()
    assert "did not cosign" in told[0]
    for folder in places.folders:
        found = open_checkpoint((folder / WITNESSED).read_bytes(), [LOG.verifier])
        assert list(found.witnessed([KEY.verifier])) == [KEY.verifier]
    rounds.round()
    assert len(told) == 1
    rounds.start()
    rounds.stop()
