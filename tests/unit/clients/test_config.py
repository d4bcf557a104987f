from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients import ClientConfig

SERVICE_CONFIG = Path(__file__).parents[3] / "protos/kuntur/api/v1/service_config.json"
GRPC_SERVER_MIN_PING_SECONDS = 300  # a server's default; a client that pings more often is cut off


def test_probes_are_rarer_than_servers_demand() -> None:
    options = dict(ClientConfig().channel_options())
    assert int(options["grpc.keepalive_time_ms"]) > GRPC_SERVER_MIN_PING_SECONDS * 1000
    assert options["grpc.keepalive_permit_without_calls"] == 0


def test_only_unary_calls_are_repeated_and_only_while_unavailable_or_overloaded() -> None:
    (config,) = json.loads(str(dict(ClientConfig().channel_options())["grpc.service_config"]))["methodConfig"]
    methods = {each["method"] for each in config["name"]}
    assert methods == {"ScoreTransaction", "ReportOutcomes", "ListModels", "GetModel", "GetLiveModel"}
    assert config["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"]


def test_the_service_config_for_other_languages_is_that_of_the_defaults() -> None:
    assert SERVICE_CONFIG.read_text() == ClientConfig().service_config() + "\n"


def test_retries_have_a_budget() -> None:
    throttling = json.loads(ClientConfig().service_config())["retryThrottling"]
    assert throttling == {"maxTokens": 100, "tokenRatio": 0.1}


@pytest.mark.parametrize("max_attempts", [0, 1])
def test_one_attempt_means_no_retry(max_attempts: int) -> None:
    assert dict(ClientConfig(max_attempts=max_attempts).channel_options())["grpc.service_config"] == "{}"
