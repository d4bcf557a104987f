"""A program watched by strace: what it writes, to whom it connects, and whose names it looks up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kuntur.compiled import chosen_places
from tests.support.programs.apt import installed_program
from tests.support.serving import wait_until

_CALLS = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,connect,sendto,sendmsg,sendmmsg"
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*)$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, |sin6_addr=)"([^"]+)"')
_WRITES = re.compile(r"\b(O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE)\b")
_DNS = 53
_PATIENCE_S = 400.0
_ROOT = Path(__file__).parents[3]
DEVICES = (Path("/dev"), Path("/proc"))
"""Where Ray has shared memory, and says how its processes rank for the kernel."""
ROUTE = ("8.8.8.8", 53)
"""Where Ray's node points a datagram socket to learn its own address from the route; it sends nothing."""


def environment_of_ray(home: Path, temporary: Path, cache: Path) -> dict[str, str]:
    """Returns the environment of an account that has never run anything, for a program that starts Ray.

    Nothing is switched off in it; cache: where compiled code is kept.
    """
    return {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(cache),
        "RAY_worker_niceness": "0",
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """What a program was seen to do.

    written: files and folders it made or opened for writing; peers: address and port of each connection or
    datagram over IP.
    """

    written: frozenset[Path]
    peers: frozenset[tuple[str, int]]

    def written_outside(self, *roots: Path) -> set[Path]:
        """Returns what it wrote below none of these folders."""
        return {path for path in self.written if not any(path.is_relative_to(root) for root in roots)}

    def strangers(self) -> set[tuple[str, int]]:
        """Returns the peers on other machines, and those of which names are asked for."""
        return {
            (address, port)
            for address, port in self.peers
            if port == _DNS or not (address.startswith("127.") or address in {"::1", "::ffff:127.0.0.1"})
        }


class WatchedProcess:
    """A program under strace, with its children. A context manager that leaves nothing running."""

    def __init__(
        self, command: Sequence[str], trace: Path, *, cwd: Path, env: dict[str, str], log: IO[Any]
    ) -> None:
        watch = [_strace(), "-D", "-f", "-q", "-s", "4096", "-e", "signal=none", "-e", f"trace={_CALLS}"]
        self._trace, self._cwd = trace, cwd
        # With -D it is the program that is the child, not strace: signals and exit code are its own.
        self._process = subprocess.Popen(
            [*watch, "--seccomp-bpf", "-o", str(trace), *command], cwd=cwd, env=env, stdout=log, stderr=log
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> int:
        """Sends SIGTERM and returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, patience_s: float = _PATIENCE_S) -> int:
        """Waits for its end and returns the exit code."""
        return self._process.wait(patience_s)

    def seen(self) -> Seen:
        """Returns what was seen, once the program has ended and strace has written all of it."""
        # strace puts short numbers into a column of five.
        end = re.compile(rf"^{self._process.pid} +\+\+\+ ", re.MULTILINE)
        wait_until(lambda: end.search("\n".join(_lines(self._trace))) is not None)
        return read_trace(_lines(self._trace), self._cwd)

    def __enter__(self) -> WatchedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self._process.kill()
            self._process.wait()


def read_trace(lines: Iterable[str], cwd: Path) -> Seen:
    """Reads strace's output; paths are made absolute from `cwd`."""
    written: set[Path] = set()
    peers: set[tuple[str, int]] = set()
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        call, arguments = found["call"], found["arguments"]
        if call in {"connect", "sendto", "sendmsg", "sendmmsg"}:
            peers.update(_peers(arguments))
        elif "= -1 " not in arguments and (not call.startswith("open") or _WRITES.search(arguments)):
            quoted = _QUOTED.findall(arguments)
            if quoted:  # of a rename the second, which is last
                written.add(Path(os.path.normpath(cwd / quoted[-1])))
    return Seen(frozenset(written), frozenset(peers))


def _peers(arguments: str) -> Iterator[tuple[str, int]]:
    for address, port in zip(_ADDRESS.findall(arguments), _PORT.findall(arguments), strict=False):
        yield address, int(port)


def _lines(trace: Path) -> list[str]:
    return trace.read_text(encoding="utf-8", errors="replace").splitlines() if trace.exists() else []


def _strace() -> str:
    """Returns the path of strace, which is installed by apt where it is lacking."""
    found = installed_program("strace")
    assert found, "there is no strace here: install it (on Debian: apt-get install strace)"
    return str(found)


def kept_compiled() -> Path:
    """Returns the folder below which this machine keeps compiled functions: none is compiled anew."""
    folder = chosen_places().kept(create=True)
    assert folder is not None
    return folder.parent
