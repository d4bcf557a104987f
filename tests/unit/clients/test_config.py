from __future__ import annotations

import json

import pytest

from clients import ClientConfig

GRPC_SERVER_MIN_PING_SECONDS = 300  # a server's default; a client that pings more often is cut off


def test_probes_are_rarer_than_servers_demand() -> None:
    options = dict(ClientConfig().channel_options())
    assert int(options["grpc.keepalive_time_ms"]) > GRPC_SERVER_MIN_PING_SECONDS * 1000
    assert options["grpc.keepalive_permit_without_calls"] == 0


def test_only_unary_calls_are_repeated_and_only_while_unavailable() -> None:
    (config,) = json.loads(str(dict(ClientConfig().channel_options())["grpc.service_config"]))["methodConfig"]
    methods = {each["method"] for each in config["name"]}
    assert methods == {"ScoreTransaction", "ReportOutcomes", "ListModels", "GetModel", "GetLiveModel"}
    assert config["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


@pytest.mark.parametrize("max_attempts", [0, 1])
def test_one_attempt_means_no_retry(max_attempts: int) -> None:
    assert dict(ClientConfig(max_attempts=max_attempts).channel_options())["grpc.service_config"] == "{}"
