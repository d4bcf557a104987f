"""A Redis server of its own for tests: on loopback, in a folder that goes with it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from kuntur.time_zone import DEFAULT_TIME_ZONE, time_zone
from server.settings.config import load_settings
from server.state.redis.history import RedisHistory
from server.state.redis.open import open_shared_history
from tests.support.programs.apt import installed_program

_STARTS_WITHIN_S = 20.0
PATIENT = {"timeout_s": 30.0, "patience_s": 60.0}
"""Settings of [redis] for a machine that is busy."""


@dataclass(frozen=True)
class RedisTls:
    """Files with which a server speaks TLS alone, and asks for a certificate."""

    ca: Path
    certificate: Path
    key: Path


class RedisServer:
    """A server that can be killed and started anew; what it answered to is then still there."""

    def __init__(self, folder: Path, tls: RedisTls | None = None) -> None:
        self._folder = folder
        self._tls = tls
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "redis" if self._tls is None else "rediss"
        return f"{scheme}://127.0.0.1:{self.port}/0"

    def client(self) -> Any:
        """Connects, for bytes."""
        if self._tls is None:
            return redis.Redis(port=self.port)
        return redis.Redis(
            "127.0.0.1",
            self.port,
            ssl=True,
            ssl_ca_certs=str(self._tls.ca),
            ssl_certfile=str(self._tls.certificate),
            ssl_keyfile=str(self._tls.key),
        )

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options: dict[str, Any] = {"bind": "127.0.0.1", "port": self.port, "dir": self._folder, "save": ""}
        options |= {"appendonly": "yes", "appendfsync": "no", "enable-debug-command": "yes"}
        if self._tls is not None:
            options |= {"port": 0, "tls-port": self.port, "tls-auth-clients": "yes"}
            options |= {"tls-ca-cert-file": self._tls.ca, "tls-cert-file": self._tls.certificate}
            options |= {"tls-key-file": self._tls.key}
        command = [
            _program(),
            *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.client().ping()
            except redis.RedisError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError(f"Redis did not start:\n{(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def redis_server(tls: RedisTls | None = None) -> Iterator[RedisServer]:
    """Starts a server and ends it. Installs Redis by apt where it is lacking."""
    folder = Path(tempfile.mkdtemp(prefix="kuntur-redis-"))
    server = RedisServer(folder, tls)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def shared_history(server: RedisServer, **changes: Any) -> RedisHistory:
    """Opens a history there, as `connected` does."""
    return connected(server.url, **changes)


def connected(url: str, **changes: Any) -> RedisHistory:
    """Opens a history; changes: to the settings, by section and key as in `history__hash_key`."""
    overrides: dict[str, dict[str, Any]] = {
        "redis": {"url": url} | PATIENT,
        "history": {},
        "institution": {},
    }
    for name, value in changes.items():
        section, key = name.split("__")
        overrides[section][key] = value
    zone = time_zone(overrides.pop("institution", {}).get("time_zone", DEFAULT_TIME_ZONE))
    settings = load_settings(None, overrides)
    return open_shared_history(settings.redis, settings.history, zone)


def _program() -> Path:
    found = installed_program("redis-server", "redis-server", "valkey-server")
    assert found, "there is no redis-server here: install it (on Debian: apt-get install redis-server)"
    return found
