"""The public model servers that are measured, and the versions of them: the one place that says which."""

from __future__ import annotations

from dataclasses import dataclass

# What else an environment holds is the newest that there was on this day, so that it is always the same.
AS_OF = "2026-10-01"


@dataclass(frozen=True, slots=True)
class Peer:
    """A public model server: a program of `bench.peers.runtimes` is called like it.

    name: that of the program and the environment; package: that of the registry.
    """

    name: str
    title: str
    package: str
    version: str

    @property
    def requirement(self) -> str:
        """What is installed."""
        return f"{self.package}=={self.version}"


PEERS = (
    Peer("mlserver", "MLServer", "mlserver", "1.7.1"),
    Peer("kserve", "KServe", "kserve", "0.21.0"),
    Peer("pytriton", "PyTriton", "nvidia-pytriton", "0.7.0"),
)


class PeerError(Exception):
    """A peer cannot be installed or started, or does not answer as it must: it is left out."""
