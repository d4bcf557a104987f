"""Ports for what is about to be started."""

from __future__ import annotations

import socket


def free_ports(count: int) -> list[int]:
    """Returns so many different ports that are free just now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
