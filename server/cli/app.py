"""The command line: flags to settings, settings to a running server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.bindings import check_bindings
from server.cli.evidence import make_evidence
from server.cli.going_back import go_back
from server.cli.journal import journal_app
from server.cli.keygen import make_key
from server.cli.newkey import make_journal_key
from server.cli.verify import verify_journal
from server.cli.witness import serve_witness

if TYPE_CHECKING:
    from server.settings.config import ServerSettings

_EXIT_USAGE = 2

app = typer.Typer(
    name="kuntur-server",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=(
        "Scores transactions for fraud over gRPC, with whatever model the registry says is live.\n\n"
        "Start it on an empty registry and publish a model later: it answers health checks as NOT_SERVING "
        "until then, and from then on swaps models without dropping a call. SIGTERM drains it.\n\n"
        "Settings come from flags, then KUNTUR_SERVER_… variables, then a TOML file, then defaults; "
        "`kuntur-server config` prints all of them with what they mean, ready to be that file."
    ),
)
app.add_typer(journal_app)
app.command("bindings")(check_bindings)
app.command("evidence")(make_evidence)
app.command("go-back")(go_back)
journal_app.command("keygen")(make_key)
journal_app.command("newkey")(make_journal_key)
journal_app.command("verify")(verify_journal)
app.command("witness")(serve_witness)

_ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", envvar="KUNTUR_SERVER_CONFIG", metavar="FILE", help="TOML file with settings."),
]
_Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Where to serve, also [IPv6]:PORT or unix:PATH; port 0 takes a free one.",
    ),
]
_RegistryPath = Annotated[
    Path | None, typer.Option("--registry", metavar="DIR", help="Directory of model bundles.")
]
_JournalPath = Annotated[
    Path | None,
    typer.Option("--journal", metavar="DIR", help="Directory of the journal; none is kept without it."),
]
_Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Processes behind the port; 0: one for each core."),
]
_MetricsPort = Annotated[
    int | None, typer.Option("--metrics-port", metavar="PORT", help="Offers Prometheus metrics at /metrics.")
]
_Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Listen beyond this machine without TLS, which is refused otherwise.",
    ),
]


@app.command()
def serve(
    config: _ConfigPath = None,
    listen: _Listen = None,
    registry: _RegistryPath = None,
    journal: _JournalPath = None,
    workers: _Workers = None,
    metrics_port: _MetricsPort = None,
    insecure: _Insecure = False,
) -> None:
    """Serves until SIGTERM, SIGINT, SIGHUP or SIGQUIT, then drains and ends with 0.

    Beyond this machine it speaks TLS: set tls.certificate and tls.key in the file.

    Example: kuntur-server serve --registry registry --journal journal

    Example: kuntur-server serve --config server.toml --listen 0.0.0.0:50051
    """
    from server.host.confidential import keep_private
    from server.host.scheduling import cores, hand_over_soon, prefer_finishing
    from server.host.signals import hold_stop_signals
    from server.settings.listening import is_socket_file

    hold_stop_signals()  # these two before any thread is started, and importing NumPy starts one
    prefer_finishing()
    hand_over_soon()
    settings = _settings(config, listen, registry, journal, workers, metrics_port, insecure=insecure)
    from server.compiling import watch_compiler
    from server.telemetry.logs import configure_logs
    from server.tls.listening import choose_suites, warn_of_plain_text

    configure_logs(settings.log.level, settings.log.format)
    keep_private(core_dumps=settings.core_dumps)
    watch_compiler()
    choose_suites(settings.tls.minimum_version)  # before gRPC is imported
    warn_of_plain_text(settings)
    count = settings.workers or (1 if is_socket_file(settings.listen_address) else cores())
    _log_start(settings, count)
    with _failures_told(), _early_end_told():
        if count == 1:
            from server.app import ServerApp

            server = ServerApp(settings)
            server.start()
            server.serve_until_signalled()
            return
        from server.workers.supervisor import Supervisor

        supervisor = Supervisor(settings, count)
        supervisor.start()
        supervisor.serve_until_signalled()
    if supervisor.failed:
        raise typer.Exit(supervisor.exit_code)


@app.command("compile")
def compile_functions(
    check: Annotated[
        bool, typer.Option("--check", help="Compile nothing: exit with 2 where a start would have to.")
    ] = False,
) -> None:
    """Compiles what the server runs, so that no start has to: once in an image or an installation.

    The functions are kept beside the code, in kuntur/__compiled__, for every processor of this family that
    is not older than its baseline.

    Example: kuntur-server compile && kuntur-server compile --check
    """
    from kuntur.compiled import CompileError, compile_ahead
    from server.compiling import run_everything

    say = partial(typer.echo, err=True)
    try:
        done = compile_ahead(run_everything, check=check, say=say)
    except CompileError as error:
        raise _failure(str(error)) from error
    say(done.told())


@app.command(hidden=True)
def worker() -> None:
    """Serves as one of several processes; only `serve` starts it."""
    from server.host.scheduling import hand_over_soon, prefer_finishing
    from server.host.signals import hold_stop_signals

    hold_stop_signals()
    prefer_finishing()
    hand_over_soon()
    from server.workers.worker import serve_worker

    with _failures_told():
        serve_worker()


@app.command(hidden=True)
def snapshot() -> None:
    """Takes a snapshot of the history from the journal; only `serve` starts it."""
    from server.host.signals import be_terminated

    be_terminated()  # as the server does which ends while it works
    from server.settings.passing import settings_from_line
    from server.state.snapshots.taking import take_snapshot
    from server.telemetry.logs import configure_logs

    settings = settings_from_line(sys.stdin.readline())
    configure_logs(settings.log.level, settings.log.format)
    if settings.journal.path is None:
        raise _failure("snapshots are taken from a journal, and journal.path is not set")
    with _failures_told():
        sys.stdout.write(take_snapshot(settings, settings.journal.path).to_line() + "\n")


@app.command(hidden=True)
def signer() -> None:
    """Signs the checkpoints of a server's journal; only a server starts it."""
    from server.host.signals import hold_stop_signals

    hold_stop_signals()  # the server says when it is to end, after the journal is closed
    from server.signing.process import sign_as_ordered

    raise typer.Exit(sign_as_ordered())


@app.command("stand-in", hidden=True)
def stand_in() -> None:
    """Answers that a server is starting, until it has; only a server starts it."""
    from server.host.signals import hold_stop_signals

    hold_stop_signals()  # the server says when it is to end
    from server.starting.process import stand_in_as_ordered

    with _failures_told():
        stand_in_as_ordered()


@app.command("config")
def show_config(
    config: _ConfigPath = None,
    listen: _Listen = None,
    registry: _RegistryPath = None,
    journal: _JournalPath = None,
    workers: _Workers = None,
    metrics_port: _MetricsPort = None,
    insecure: _Insecure = False,
) -> None:
    """Prints the settings in force as a TOML file, each with what it means.

    Example: kuntur-server config > server.toml
    """
    settings = _settings(config, listen, registry, journal, workers, metrics_port, insecure=insecure)
    from kuntur.hash_key import DEFAULT_HASH_KEY
    from kuntur.settings.document import to_toml
    from server.settings.config import ENVIRONMENT_PREFIX

    sys.stdout.write(to_toml(settings, ENVIRONMENT_PREFIX, {"history.hash_key": DEFAULT_HASH_KEY}))


def main() -> None:
    """Runs the command line."""
    app()


def _settings(
    config: Path | None,
    listen: str | None,
    registry: Path | None,
    journal: Path | None,
    workers: int | None,
    metrics_port: int | None,
    *,
    insecure: bool,
) -> ServerSettings:
    from server.settings.config import ConfigError, load_settings

    overrides: dict[str, Any] = {"listen_address": listen, "registry_path": registry, "workers": workers}
    overrides = {key: value for key, value in overrides.items() if value is not None}
    if journal is not None:
        overrides["journal"] = {"path": journal}
    if metrics_port is not None:
        overrides["metrics"] = {"port": metrics_port}
    if insecure:
        overrides["tls"] = {"insecure": True}
    try:
        return load_settings(config, overrides)
    except ConfigError as error:
        raise _failure(str(error)) from error


def _log_start(settings: ServerSettings, workers: int) -> None:
    """Says what is about to be done before any of it takes its time."""
    import structlog

    structlog.get_logger("server").info(
        "server starts", workers=workers, listen=settings.listen_address, registry=str(settings.registry_path)
    )


@contextmanager
def _failures_told() -> Iterator[None]:
    """Turns what keeps a server from starting into a sentence and an exit code."""
    from kuntur.bundle.signing import PolicyError
    from kuntur.journal.file import JournalError
    from server.errors import AccessError, TlsError, TransportError
    from server.journal import JournalBufferError
    from server.state import RegionError
    from server.state.replay import ReplayError

    try:
        yield
    except (
        OSError,
        JournalError,
        JournalBufferError,
        PolicyError,
        RegionError,
        ReplayError,
        AccessError,
        TlsError,
        TransportError,
    ) as error:
        raise _failure(str(error)) from error


@contextmanager
def _early_end_told() -> Iterator[None]:
    """Ends a server with 0 that was stopped before it served."""
    import structlog

    from server.host.signals import StopWantedError

    try:
        yield
    except StopWantedError:
        structlog.get_logger("server").info("server stopped, before it served")
        raise typer.Exit(0) from None


def _failure(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_EXIT_USAGE)
