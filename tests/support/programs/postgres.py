"""A PostgreSQL server of its own for tests: on loopback, in a folder that goes with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.programs.apt import installed

PASSWORD = "s3cr3t @:/?#%"  # noqa: S105  of a server that lives for minutes
_STARTS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Database:
    """A running server with one superuser, kuntur."""

    port: int

    def uri(self, password: str = PASSWORD, port: int | None = None) -> str:
        """Returns the address, with this password."""
        return f"postgresql://kuntur:{quote(password, safe='')}@127.0.0.1:{port or self.port}/postgres"

    def run(self, *statements: str) -> None:
        """Carries out statements."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def ingest(self, name: str, frame: Any) -> None:
        """Makes a table of a Polars frame."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri()) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(name, frame.to_arrow(), mode="replace")
            connection.commit()


@contextmanager
def database() -> Iterator[Database]:
    """Starts a server and ends it. Installs PostgreSQL by apt where it is lacking and that is possible."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="kuntur-postgres-"))
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = _unprivileged()
        shutil.chown(folder, owner)
        as_user |= {"user": owner, "group": _group(owner), "extra_groups": []}
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        making = [programs / "initdb", "-D", "data", "-U", "kuntur", "-A", "scram-sha-256", "--no-sync"]
        making += ["--pwfile", "password", "--encoding", "UTF8", "--locale", "C"]
        subprocess.run(making, check=True, capture_output=True, **as_user)
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "port": port,
        }
        command = [str(programs / "postgres"), "-D", "data"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, **as_user)
        try:
            _wait(server, port, folder / "log")
            yield Database(port)
        finally:
            server.send_signal(signal.SIGINT)  # ends open sessions
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    programs = installed("postgresql", _found)
    if programs is None:
        pytest.skip("there is no PostgreSQL here, and it can be installed only as root by apt-get")
    return programs


def _found() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def _unprivileged() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    from adbc_driver_manager import OperationalError
    from adbc_driver_postgresql import dbapi

    deadline = time.monotonic() + _STARTS_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            dbapi.connect(Database(port).uri()).close()
        except OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}")
