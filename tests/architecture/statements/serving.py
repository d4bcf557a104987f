"""Statements about the server: its pages, its settings and its command line."""

from __future__ import annotations

import re

from tests.architecture.statements.reading import ROOT, Code, default, of, says, within

_ACCOUNT = of("kuntur.records.layout", "ACCOUNT_RECORD_WORDS").by(8)
_PROFILE = of("kuntur.records.layout", "PROFILE_RECORD_WORDS").by(8)
_RECENT = of("kuntur.history.recent", "RECORD_WORDS").by(8)
_SETTINGS = "server/settings/*.py"
_OVERLOAD, _SERVING, _STATE = "docs/overload.md", "docs/serving.md", "docs/state.md"


def _index(module: str, least: bool) -> Code:
    """Returns the bytes of index for each record, at the least or the most over many sizes of table."""

    def look() -> int:
        places = of(module, "places").value()
        shares = [8 * places(capacity) / capacity for capacity in range(1_000, 70_000, 7)]
        return round(min(shares) if least else max(shares))

    return Code(f"{module}.places", look)


def _recent(least: bool) -> Code:
    index = _index("kuntur.history.recent", least)
    return Code("a latest transaction with its index", lambda: int(_RECENT.value()) + int(index.value()))


def _recent_by_default() -> Code:
    def look() -> float:
        from kuntur.history.recent import words_needed

        count = default("server", "history.recent_transactions").value()
        return round(8 * words_needed(count) / count)

    return Code("a latest transaction with its index, by default", look)


def _records_a_step() -> Code:
    step = of("server.state.region.scrubber", "_STEP_S")
    rate = default("server", "history.check_records_per_s")
    return Code("check_records_per_s × _STEP_S", lambda: rate.value() * step.value())


def _in(file: str, pattern: str) -> Code:
    """Returns a number of a file that is no Python module."""

    def look() -> float:
        found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"))
        return float(found[1]) if found else float("nan")

    return Code(f"{file}: {pattern}", look)


def _one_less(module: str, name: str) -> Code:
    """Returns by how much a factor raises."""
    found = of(module, name)
    return Code(f"{found.told} - 1", lambda: found.value() - 1)


def _one_of(module: str, name: str) -> Code:
    """Returns the share that a divisor leaves."""
    found = of(module, name)
    return Code(f"1 / {found.told}", lambda: 1 / found.value())


def _length(module: str, name: str) -> Code:
    """Returns how long a constant is."""
    found = of(module, name)
    return Code(f"len({found.told})", lambda: len(found.value()))


_LEAST, _MOST = _index("kuntur.records.table", True), _index("kuntur.records.table", False)
_FEATURES = _length("kuntur.features", "CATALOGUE")
_KEY = _length("kuntur.hash_key", "DEFAULT_HASH_KEY")
_PYTHON = _in("pyproject.toml", r'requires-python = ">=([\d.]+)"')
_UID = _in("docker/server.Dockerfile", r"USER (\d+):")

SERVING = (
    says(
        _SERVING,
        "frames of {} to {} transactions, answered",
        1,
        default("server", "limits.max_frame_transactions"),
    ),
    says(
        _SERVING, "looked at every {} (`models.poll_interval_s`)", default("server", "models.poll_interval_s")
    ),
    says(
        _SERVING,
        "{} or {} frames ahead",
        of("server.rpc.core.streams", "AHEAD_BYTES"),
        of("server.rpc.core.streams", "AHEAD_FRAMES"),
    ),
    says(_SERVING, "no sign of life for {} (`worker_silence_s`)", default("server", "worker_silence_s")),
    says(
        _SERVING,
        "dies {} times in a row within {} seconds each",
        of("server.workers.supervisor", "_MOST_EARLY_DEATHS"),
        of("server.workers.supervisor", "_STEADY_S"),
    ),
    says(_SERVING, "or as soon as {} wait", of("server.journal.keeper", "_MOST_UNSYNCED_BYTES")),
    says(_SERVING, "tries for {} more seconds", of("server.journal.file", "_LAST_TRIES_S")),
    says(
        _SERVING,
        "tries again after {} and then ever less often, every {} at the longest",
        of("server.journal.file", "_FIRST_PAUSE_S"),
        of("server.journal.file", "_LONGEST_PAUSE_S"),
    ),
    says(_SERVING, "less than {} (`journal.min_free_bytes`)", default("server", "journal.min_free_bytes")),
    says(
        _SERVING,
        "with a {} more. A server",
        _one_less("server.journal.keeper", "_MARGIN"),
    ),
    says(_SERVING, "may not make files of {} (`ulimit", of("server.journal.file", "_LARGEST_ENTRY_BYTES")),
    says(_SERVING, "beyond {} of each kind", of("server.scoring.attribute_census", "_MOST_NAMES")),
    says(
        _SERVING,
        "An account takes {} bytes, a merchant, device or category {}, each with {} to {} bytes of index",
        _ACCOUNT,
        _PROFILE,
        _LEAST,
        _MOST,
    ),
    says(
        _SERVING,
        "the latest {} transactions {} each",
        default("server", "history.recent_transactions"),
        _recent_by_default(),
    ),
    says(_SERVING, "exits with {} where a start", of("server.cli.app", "_EXIT_USAGE")),
    says(_SERVING, "Uid {};", _UID),
    says(_SERVING, "as uid {} on", _UID),
    says(_SERVING, "Python {} or newer, pip", _PYTHON),
    says(_SERVING, "`python:{}-slim`", _in("docker/server.Dockerfile", r"python:([\d.]+)-slim")),
    says(
        _SERVING, "`history.recent_transactions` ({}) rows", default("server", "history.recent_transactions")
    ),
    says(_SERVING, "the journal is flushed, exit code {}.", 0),
)

OVERLOAD = (
    says(_OVERLOAD, "sent nothing {} of each may wait", of("server.rpc.core.methods", "_MOST_WAITING")),
    says(_OVERLOAD, "one at a time for each {} cores", 2),
    says("server/rpc/admission/gates.py", "max(1, cores() // {}))", 2),
    says(_OVERLOAD, "looked at every {})", of("server.host.free_memory", "_LOOK_S")),
    says(
        _OVERLOAD,
        "longer than `target_wait_s` for {} on end",
        of("server.rpc.admission.overload", "INTERVAL_S"),
    ),
    says(_OVERLOAD, "a second, after {} at once", of("server.rpc.admission.overload", "REFUSALS_AT_ONCE")),
    says(_OVERLOAD, "or after {} events", of("server.rpc.core.polling", "_MOST_EVENTS_BEFORE_WORK")),
    says(
        _OVERLOAD,
        "asked for {} calls of a method at a time; {} to {} more wait",
        of("server.rpc.core.asking", "_ASKED"),
        of("server.rpc.calls.transport", "_MOST_WAITING"),
        of("server.rpc.calls.transport", "_MOST_WAITING").by(2),
    ),
    says(_OVERLOAD, "frames above {} while single calls", of("server.rpc.core.methods", "_SHORT_BYTES")),
    says(_OVERLOAD, "status {}, so that a supervisor", of("server.app", "FAILED")),
    says(_OVERLOAD, "once a {} of `max_unary_in_flight`", 1 / 4),
    says(_OVERLOAD, "a {} of it for more than a second", _one_of("server.rpc.admission.unread", "_SHARE")),
    says(_OVERLOAD, "open, up to a {} less", of("server.rpc.calls.lifetime", "_JITTER")),
    says(
        _OVERLOAD,
        "more than the {} calls of one connection",
        default("server", "limits.max_streams_per_connection"),
    ),
    says(
        _OVERLOAD,
        "more than {} streams open on a connection",
        default("server", "limits.max_streams_per_connection"),
    ),
    says(_OVERLOAD, "`auto` is fast … on {text} it starts with the warning", "1.84.2"),
    says(
        _OVERLOAD,
        "on {text}, the oldest that the generated stubs allow",
        of("kuntur.api.v1.scoring_service_pb2_grpc", "GRPC_GENERATED_VERSION"),
    ),
    says(_OVERLOAD, "none beyond {}.", _in("pyproject.toml", r'"grpcio>=([\d.]+),<')),
    says(_OVERLOAD, "a thread a call, {} a stream", 2),
    says(
        "docs/performance.md",
        "{} calls of each of four connections",
        default("server", "limits.max_streams_per_connection"),
    ),
    says("docs/performance.md", "low priority (nice {})", of("server.host.scheduling", "_GIVEN_WAY")),
    says("docs/performance.md", "models loaded at nice {},", of("server.host.scheduling", "_GIVEN_WAY")),
    says("docs/performance.md", "handed over after {} |", of("server.host.scheduling", "_LOCK_HELD_S")),
    says("docs/performance.md", "(`history.recent_transactions`, {} bytes each)", _recent_by_default()),
    says(
        "docs/performance.md",
        "overload is what lasts for {}, and then",
        of("server.rpc.admission.overload", "INTERVAL_S"),
    ),
    says(
        "server/rpc/admission/overload.py",
        "may be refused: {} at once",
        of("server.rpc.admission.overload", "REFUSALS_AT_ONCE"),
    ),
)

SETTINGS = (
    says(
        _SETTINGS,
        "more than the {} calls of one connection",
        default("server", "limits.max_streams_per_connection"),
    ),
    says(_SETTINGS, "longer for {} on end", of("server.rpc.admission.overload", "INTERVAL_S")),
    says(_SETTINGS, "a second, after {} at once", of("server.rpc.admission.overload", "REFUSALS_AT_ONCE")),
    says(_SETTINGS, "of one connection a {} of it", _one_of("server.rpc.admission.unread", "_SHARE")),
    says(_SETTINGS, "is open, up to a {} less", of("server.rpc.calls.lifetime", "_JITTER")),
    says(_SETTINGS, "A frame of {} transactions takes", default("server", "limits.max_frame_transactions")),
    says(_SETTINGS, "without one for a {} of this", 1 / 3),
    says("server/rpc/calls/transport.py", '"grpc.keepalive_timeout_ms", keepalive_ms // {})', 3),
    says(_SETTINGS, "for repeats and outcomes; {} to {} bytes each.", _recent(True), _recent(False)),
    says(_SETTINGS, "Most accounts kept, {} each and {} to {} bytes of index", _ACCOUNT, _LEAST, _MOST),
    says(
        _SETTINGS,
        "Time between two syncs to the disk; {} that wait",
        of("server.journal.keeper", "_MOST_UNSYNCED_BYTES"),
    ),
    says(_SETTINGS, "answered again with a {} more", _one_less("server.journal.keeper", "_MARGIN")),
    says(_SETTINGS, "the ids' hashes, {} hexadecimal digits", _KEY),
    says("trainer/settings/config.py", "of ids, {} hexadecimal digits", _KEY),
    says(
        "server/cli/journal.py",
        "Exit codes: {} the journal is whole, … {} (--check) it needs a repair; {} not carried",
        0,
        of("server.cli.journal", "_DAMAGED"),
        of("server.cli.journal", "_NOT_CARRIED_OUT"),
    ),
    says("server/cli/app.py", "then drains and ends with {}.", 0),
    says("server/cli/app.py", "Compile nothing: exit with {} where", of("server.cli.app", "_EXIT_USAGE")),
)

STATE = (
    says(_STATE, "| account | {} |", _ACCOUNT),
    says(_STATE, "| merchant | {} |", _PROFILE),
    says(_STATE, "| device | {} |", _PROFILE),
    says(_STATE, "| category | {} |", _PROFILE),
    says(_STATE, "| latest transaction | {} |", _RECENT),
    says(
        _STATE,
        "{} to {} bytes of index for each entity, {} to {} for each latest",
        _LEAST,
        _MOST,
        _index("kuntur.history.recent", True),
        _index("kuntur.history.recent", False),
    ),
    *(
        says(_STATE, f"| `history.{name}` | {{}} |", default("server", f"history.{name}"))
        for name in ("max_accounts", "max_merchants", "max_devices", "max_categories", "recent_transactions")
    ),
    says(_STATE, "with {} more for the seal", 8),
    says(_STATE, "; {} times as many latest", of("server.state.region.shared", "_TRANSACTIONS_FOR_A_RECORD")),
    says(
        _STATE,
        "In tables of up to {} records … longest idle of {} that",
        of("kuntur.records.table", "LOOKED_AT"),
        of("kuntur.records.table", "LOOKED_AT"),
    ),
    says(_STATE, "(at most {} records of a part)", of("kuntur.history.repair", "MOST_KEPT")),
    says(
        _STATE, "after at most {} seconds of waiting", of("server.state.region.mutex", "_LOOK_EVERY_S").by(2)
    ),
    says(_STATE, "callers wait for {} seconds", of("server.state.region.mutex", "PATIENCE_S")),
    says(_STATE, "exit code {}", of("server.host.lost_history", "EXIT_CODE")),
    says(_STATE, "records through each second ({};", default("server", "history.check_records_per_s")),
    says(
        _STATE,
        "looks at {} records every {},",
        _records_a_step(),
        of("server.state.region.scrubber", "_STEP_S"),
    ),
    says(_STATE, "From {} on the log", of("server.state.region.region", "_LONG_BYTES")),
    says(
        "docs/features.md",
        "An account's record takes {} bytes, that of a merchant, device or category {}, and {} to {} bytes",
        _ACCOUNT,
        _PROFILE,
        _LEAST,
        _MOST,
    ),
    says("kuntur/records/table.py", "share of the index is {} to {} bytes", _LEAST, _MOST),
    says(
        "kuntur/history/recent.py",
        "in words: {} bytes each, {} to {} of index",
        _RECENT,
        _index("kuntur.history.recent", True),
        _index("kuntur.history.recent", False),
    ),
    says("docs/architecture.md", "of the row {} further on", within("kuntur.features", "_AHEAD")),
    says("docs/performance.md", "(2, 8, 12): within noise of {}.", within("kuntur.features", "_AHEAD")),
    says("docs/performance.md", "size of the history; {} bytes an account", _ACCOUNT),
    says(
        "docs/shared-store.md",
        "after {} tries a server asks",
        of("server.state.redis.history", "_TRIES_BEFORE_TURN"),
    ),
    says(
        "docs/shared-store.md",
        "A value is {} bytes of version",
        of("server.state.redis.scripts", "VERSION_BYTES"),
    ),
    says(
        "docs/architecture.md",
        "transaction has up to {}. Both",
        Code("KeyColumn and the counterparty", lambda: 6),
    ),
)

JOURNAL = (
    says(
        "docs/journal.md",
        "A file starts with a header of {} bytes",
        of("kuntur.journal.layout", "HEADER_BYTES"),
    ),
    says("docs/journal.md", "revision of the form, {} |", of("kuntur.journal.layout", "REVISION")),
    says(
        "docs/journal.md",
        "`{text}` | | 8–11",
        Code("MAGIC", lambda: of("kuntur.journal.layout", "MAGIC").value().decode()),
    ),
    says("docs/journal.md", "{} bytes of header, and heads", of("kuntur.journal.layout", "_PLAIN.size")),
    says("docs/journal.md", "start is refused with exit code {} and", of("server.cli.app", "_EXIT_USAGE")),
    says(
        "docs/journal.md", "ends the run with exit code {} and", of("trainer.cli.faults", "NOT_CARRIED_OUT")
    ),
    says("docs/journal.md", "| {} | with `--check`: a repair", of("server.cli.journal", "_DAMAGED")),
    says(
        "docs/journal.md", "| {} | not carried out: no journal", of("server.cli.journal", "_NOT_CARRIED_OUT")
    ),
    says(
        "kuntur/journal/layout.py",
        "A file starts with a header of {} bytes",
        of("kuntur.journal.layout", "HEADER_BYTES"),
    ),
    says("kuntur/journal/layout.py", "revision of the form, {}", of("kuntur.journal.layout", "REVISION")),
    says(
        "docs/journal.md",
        "A server goes on behind them in a file of revision {}.",
        of("kuntur.journal.layout", "REVISION"),
    ),
)

CHANGELOG = (
    says(
        "CHANGELOG.md",
        "Streams read {} or {} frames ahead",
        of("server.rpc.core.streams", "AHEAD_BYTES"),
        of("server.rpc.core.streams", "AHEAD_FRAMES"),
    ),
    says(
        "CHANGELOG.md",
        "queue that stands for {} (`limits.target_wait_s`",
        of("server.rpc.admission.overload", "INTERVAL_S"),
    ),
    says(
        "CHANGELOG.md",
        "`limits.max_streams_per_connection`, {})",
        default("server", "limits.max_streams_per_connection"),
    ),
    says("CHANGELOG.md", "`limits.max_message_bytes`, {},", default("server", "limits.max_message_bytes")),
    says("CHANGELOG.md", "`limits.caller_timeout_s` ({})", default("server", "limits.caller_timeout_s")),
    says("CHANGELOG.md", "exit code {}, when the thread", of("server.app", "FAILED")),
    says("CHANGELOG.md", "exit code {}. Files of earlier", of("server.host.lost_history", "EXIT_CODE")),
    says(
        "CHANGELOG.md",
        "{} tracebacks a minute are written, of all {} lines a second",
        of("server.telemetry.incidents", "TRACEBACKS_A_MINUTE"),
        of("server.telemetry.incidents", "LINES_A_SECOND"),
    ),
    says("CHANGELOG.md", "(revision {}; the first", of("kuntur.journal.layout", "REVISION")),
    says("CHANGELOG.md", "run as uid {} on", _UID),
    says("CHANGELOG.md", "**Features**: {}. New", _FEATURES),
    says("README.md", "200 trees on all {} features", _FEATURES),
    says("docs/performance.md", "depth 6 on all {} features", _FEATURES),
    says("README.md", "machine with Python {} or newer", _PYTHON),
    says("Makefile", "Kuntur needs Python {} or newer", _PYTHON),
    says("docker/server.Dockerfile", "Any image with Python {} or newer", _PYTHON),
    says("docker/trainer.Dockerfile", "Any image with Python {} or newer", _PYTHON),
    says("README.md", 'with Client("localhost:{}")', 50051),
    says("README.md", "above {} the run stops", default("trainer", "data.max_reject_share")),
)
