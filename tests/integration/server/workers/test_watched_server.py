"""What a server does beside answering: which files it writes, and to whom it connects."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from kuntur.journal.file import file_name
from tests.support.bundles import publish
from tests.support.programs.watched import WatchedProcess, kept_compiled, read_trace
from tests.support.serving import stubs_for, transaction, unary, wait_until

_PORT = re.compile(r'"port": (\d+)')
_DEVICES = Path("/dev")


def test_a_server_and_a_client_write_what_they_were_told_to_and_connect_to_nobody_else(
    tmp_path: Path,
) -> None:
    home, folders = tmp_path / "home", [tmp_path / "registry", tmp_path / "journal", tmp_path / "history"]
    home.mkdir()
    publish(folders[0], "m-1")
    cache = kept_compiled()  # compiled functions, as docs/privacy.md tells
    env = {
        **_environment(home),
        "NUMBA_CACHE_DIR": str(cache),
        "KUNTUR_SERVER_LOG__FORMAT": "json",
        "KUNTUR_SERVER_HISTORY__PATH": str(folders[2]),
        "KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS": "4096",
    }
    serve = [sys.executable, "-m", "server", "serve", "--listen", "127.0.0.1:0", "--workers", "2"]
    serve += ["--registry", str(folders[0]), "--journal", str(folders[1])]
    log = tmp_path / "log"
    root = Path(__file__).parents[4]
    with (
        log.open("wb") as out,
        WatchedProcess(serve, tmp_path / "trace", cwd=root, env=env, log=out) as server,
    ):
        wait_until(lambda: not server.running or '"workers": 2, "event": "server started"' in log.read_text())
        port = int(_PORT.findall(log.read_text())[-1])
        with stubs_for(f"127.0.0.1:{port}") as stubs:
            stubs.scoring.ScoreTransaction(unary(transaction()))
        models = [sys.executable, "-m", "clients", "models", "--server", f"127.0.0.1:{port}"]
        with WatchedProcess(models, tmp_path / "client", cwd=root, env=env, log=out) as client:
            assert client.wait() == 0
            asked = client.seen()
        assert server.end() == 0
        seen = server.seen()
    assert (folders[1] / file_name(1)) in seen.written  # it was watched
    assert seen.written_outside(*folders, cache, _DEVICES) == {tmp_path / "history.begun"}
    assert seen.strangers() == set()
    assert {("127.0.0.1", port), ("::ffff:127.0.0.1", port)} & asked.peers  # by sockets of either kind
    assert asked.written_outside(cache, _DEVICES) == set()
    assert asked.strangers() == set()
    assert list(home.rglob("*")) == []


def test_a_trace_tells_files_that_were_written_and_peers_that_were_called() -> None:
    seen = read_trace(
        [
            '7 openat(AT_FDCWD, "read", O_RDONLY|O_CLOEXEC) = 3',
            '7 openat(AT_FDCWD, "made", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3',
            '7 mkdir("/root/.cache/Microsoft", 0777) = 0',
            '7 mkdir("/there", 0777) = -1 EEXIST (File exists)',
            '7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
            '7 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
            "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
            'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH',
            '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0',
        ],
        Path("/work-dir"),
    )
    assert seen.written == {Path("/work-dir/made"), Path("/root/.cache/Microsoft")}
    assert seen.written_outside(Path("/work-dir")) == {Path("/root/.cache/Microsoft")}
    assert seen.strangers() == {("127.0.0.1", 53), ("2001:db8::1", 443)}


def _environment(home: Path) -> dict[str, str]:
    """Returns an environment as of an account that has never run anything, with nothing switched off."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
