"""A Redis that speaks TLS and asks for a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.errors import TlsError
from server.settings.config import ConfigError
from tests.support.certificates import Authority, replace
from tests.support.programs.redis import RedisServer, RedisTls, redis_server, shared_history


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> RedisTls:
    folder, authority = tmp_path_factory.mktemp("redis"), Authority("Redis")
    certificate, key = authority.server(usage=None).write(folder, "redis")
    return RedisTls(replace(folder / "ca.pem", authority.certificate), certificate, key)


@pytest.fixture(scope="module")
def server(files: RedisTls) -> Iterator[RedisServer]:
    with redis_server(files) as running:
        yield running


def settings_of(files: RedisTls, **changes: Any) -> dict[str, Any]:
    given = {"redis__ca": files.ca, "redis__certificate": files.certificate, "redis__key": files.key}
    return {name: value for name, value in (given | changes).items() if value is not None}


def test_a_history_is_opened_over_tls_with_a_certificate(server: RedisServer, files: RedisTls) -> None:
    shared_history(server, **settings_of(files)).close()


def test_a_redis_of_another_authority_is_refused(
    server: RedisServer, files: RedisTls, tmp_path: Path
) -> None:
    other = replace(tmp_path / "other.pem", Authority("of somebody else").certificate)
    for ca in (other, None):  # None: the authorities of the system
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            shared_history(server, **settings_of(files, redis__ca=ca))


def test_without_a_certificate_it_lets_nobody_in(server: RedisServer, files: RedisTls) -> None:
    with pytest.raises(ConnectionError, match="cannot be used"):
        shared_history(server, **settings_of(files, redis__certificate=None, redis__key=None))


def test_files_that_cannot_be_used_are_named(server: RedisServer, files: RedisTls, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"gone\.pem: cannot be read"):
        shared_history(server, **settings_of(files, redis__ca=tmp_path / "gone.pem"))
    with pytest.raises(TlsError, match="are no certificate in PEM and its private key"):
        shared_history(server, **settings_of(files, redis__key=files.ca))
    with pytest.raises(TlsError, match=r"key: holds no certificate"):
        shared_history(server, **settings_of(files, redis__ca=files.key))


def test_files_without_tls_are_a_mistake(files: RedisTls) -> None:
    class Plain:
        url = "redis://127.0.0.1:1/0"

    with pytest.raises(ConfigError, match="begin url with rediss://"):
        shared_history(Plain, **settings_of(files))  # type: ignore[arg-type]
