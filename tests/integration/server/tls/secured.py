"""Servers with TLS in the test's process, and callers of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from server.app import ServerApp
from tests.support.certificates import Authority, Pair, replace
from tests.support.serving import Stubs, settings_for, shared_trial, stubs_for, transaction, unary

LOOK_S = 0.02
"""Time between a server's looks at its files."""


@dataclass
class Secured:
    """A server that speaks TLS, the authorities of both sides, and its files."""

    app: ServerApp
    folder: Path
    authority: Authority
    callers: Authority

    @property
    def address(self) -> str:
        return f"localhost:{self.app.port}"

    def credentials(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        """Returns those of a caller who trusts the server's authority and shows a certificate, if any."""
        return grpc.ssl_channel_credentials(
            self.authority.certificate,
            private_key=None if pair is None else pair.key,
            certificate_chain=None if pair is None else pair.certificate,
        )

    @contextmanager
    def stubs(self, pair: Pair | None = None) -> Iterator[Stubs]:
        """Connects anew."""
        with stubs_for(self.address, self.credentials(pair)) as found:
            yield found

    def trust(self, *authorities: Authority) -> None:
        """Puts the authorities of callers in the place of those before, and waits until that is in force."""
        content = b"".join(each.certificate for each in authorities)
        replace(self.folder / "callers.pem", content)
        self._wait(lambda material: material.contents.client_ca == content)

    def rotate(self, pair: Pair | None = None) -> Pair:
        """Gives the server another certificate, and waits until that is in force."""
        pair = pair or self.authority.server()
        pair.write(self.folder, "server")
        self._wait(lambda material: material.contents.certificate == pair.certificate)
        return pair

    def _wait(self, holds: Callable[[Any], bool]) -> None:
        from tests.support.serving import wait_until

        watch = self.app.certificates
        assert watch is not None
        wait_until(lambda: holds(watch.material))


@contextmanager
def secured(
    folder: Path, registry: Path, *, transport: str, mutual: bool = False, **overrides: Any
) -> Iterator[Secured]:
    """Runs a server with TLS while the block lasts; mutual: whether callers show a certificate."""
    authority, callers = Authority("Servers"), Authority("Callers")
    certificate, key = authority.server().write(folder, "server")
    tls: dict[str, Any] = {"certificate": certificate, "key": key, "check_interval_s": LOOK_S}
    if mutual:
        tls |= {
            "client_ca": replace(folder / "callers.pem", callers.certificate),
            "client_certificate": "required",
        }
    settings = settings_for(registry, tls=tls, rpc={"transport": transport}, **overrides)
    with ServerApp(settings, trial=shared_trial()) as app:
        yield Secured(app, folder, authority, callers)


@dataclass
class Load:
    """Callers that go on until they are told to stop: on one connection, and each time on a new one."""

    server: Secured
    pair: Callable[[], Pair | None]
    answered: int = 0
    failures: list[grpc.RpcError] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._steady), threading.Thread(target=self._anew)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _steady(self) -> None:
        with self.server.stubs(self.pair()) as stubs:
            while not self._stopped.is_set():
                self._call(stubs)

    def _anew(self) -> None:
        while not self._stopped.is_set():
            with self.server.stubs(self.pair()) as stubs:
                self._call(stubs)

    def _call(self, stubs: Stubs) -> None:
        with self._lock:
            number = self.answered
        try:
            stubs.scoring.ScoreTransaction(unary(transaction(f"load-{number}")), timeout=60)
        except grpc.RpcError as error:
            self.failures.append(error)
        with self._lock:
            self.answered += 1
