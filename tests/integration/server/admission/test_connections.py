from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from server.rpc.endpoints.health import KEEPING, OTHERS, SCORING
from tests.support.bundles import publish
from tests.support.serving import RunningServer, frame, running_server, transaction, unary

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_requests_may_be_compressed(tmp_path: Path, compression: grpc.Compression) -> None:
    publish(tmp_path, "m-1")
    with running_server(tmp_path) as server:
        server.wait_until_live("m-1")
        scoring = server.stubs.scoring
        assert scoring.ScoreTransaction(
            unary(transaction("t-1")), compression=compression
        ).score.model_version
        sent = frame(*(transaction(f"s-{number}") for number in range(300)))
        (answer,) = scoring.ScoreStream(iter([sent]), compression=compression)
        assert [result.score.transaction_id for result in answer.results] == [f"s-{n}" for n in range(300)]


def test_a_connection_of_age_is_replaced_and_no_call_is_lost(tmp_path: Path) -> None:
    publish(tmp_path, "m-1")
    with running_server(tmp_path, limits={"max_connection_age_s": 1.0}) as server:
        server.wait_until_live("m-1")
        peers: set[str] = set()
        give_up_at = time.monotonic() + 60
        number = 0
        while len(peers) < 3 and time.monotonic() < give_up_at:
            number += 1
            answer = server.stubs.scoring.ScoreTransaction(unary(transaction(f"t-{number}")))
            assert answer.score.transaction_id == f"t-{number}"
            peers |= connections(server)
        assert len(peers) >= 3


def connections(server: RunningServer) -> set[str]:
    """Returns the ports from which this process is connected to a server just now."""
    found = set()
    tables = [Path(f"/proc/self/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    for line in [line for table in tables for line in table]:
        _, local, remote, state, *_ = line.split()
        if int(remote.split(":")[1], 16) == server.app.port and state == "01":  # established
            found.add(local)
    return found


def test_a_probe_may_ask_for_each_service(tmp_path: Path) -> None:
    with running_server(tmp_path / "registry") as server:

        def states(services: tuple[str, ...]) -> set[int]:
            check = server.stubs.health.Check
            return {check(health_pb2.HealthCheckRequest(service=service)).status for service in services}

        assert states(SCORING) == {NOT_SERVING}
        assert states((*KEEPING, *OTHERS)) == {SERVING}
        publish(tmp_path / "registry", "m-1")
        server.wait_until_live("m-1")
        assert states((*SCORING, *KEEPING, *OTHERS)) == {SERVING}
