"""`kuntur-server witness`: cosigns the checkpoints of journals, for whoever watches over them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

_NOT_CARRIED_OUT = 2


def serve_witness(
    keys: Annotated[
        Path,
        typer.Option(
            "--keys",
            metavar="DIR",
            help="Folder of the witness's own keys, *.key; `journal keygen --witness` makes one.",
        ),
    ],
    logs: Annotated[
        Path,
        typer.Option("--logs", metavar="FILE", help="Verifier keys of the logs that it watches, one a line."),
    ],
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Folder for the last checkpoint of each log.")
    ],
    listen: Annotated[
        str,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Where to serve, also [IPv6]:PORT; port 0 takes a free one."
        ),
    ] = "127.0.0.1:8470",
) -> None:
    """Cosigns checkpoints of logs that only grow, until SIGTERM or SIGINT.

    A log sends each checkpoint with the proof that it goes on from the last
    one (C2SP tlog-witness). What was cut off, forked or put back cannot be
    proved so and gets no cosignature: whoever asks for cosignatures knows
    that the log showed everybody the same.

    Run it where the operator of the log has no access. It sees sizes and
    hashes, never transactions. Requests carry no secrets and need no TLS; put
    a proxy in front to have it.

    The files of --state are its memory: without them a log could be put back.

    Exit codes: 0 ended by a signal; 2 it cannot start.

    Example: kuntur-server witness --keys keys --logs logs.txt --state seen
    """
    from server.host.signals import hold_stop_signals, wait_for_stop_signal

    hold_stop_signals()
    import structlog

    from kuntur.transparency.errors import NoteError
    from kuntur.transparency.notes.key_files import read_keys, read_verifier_keys
    from kuntur.transparency.notes.keys import KeyKind
    from server.host.confidential import keep_private
    from server.settings.listening import checked_address, is_socket_file
    from server.telemetry.logs import configure_logs
    from server.witness.http import WitnessServer
    from server.witness.witness import Witness

    configure_logs("info", "json")
    keep_private(core_dumps=False)
    try:
        host, _, port = checked_address(listen).rpartition(":")
    except ValueError as error:
        raise _refused(f"--listen {listen} {error}") from error
    if is_socket_file(listen):
        raise _refused(f"--listen {listen}: a witness listens on HOST:PORT")
    try:
        own = read_keys(keys, KeyKind.WITNESS)
        witness = Witness(own, read_verifier_keys(logs), state)
        server = WitnessServer(host.strip("[]"), int(port), witness)
    except (OSError, NoteError) as error:
        raise _refused(str(error)) from error
    thread = threading.Thread(target=server.serve_forever, name="witness")
    thread.start()
    structlog.get_logger("server").info(
        "witness started", port=server.port, keys=[str(key.verifier) for key in own]
    )
    wait_for_stop_signal()
    server.shutdown()
    server.server_close()
    thread.join()


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
