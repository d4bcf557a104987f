"""Statements about the server: its page, overload, its settings and its command line."""

from __future__ import annotations

from tests.architecture.statements.derived import (
    ACCOUNT,
    KEY,
    LEAST,
    MOST,
    PROFILE,
    PYTHON,
    UID,
    number_in,
    one_less,
    one_of,
    recent_by_default,
    recent_bytes,
)
from tests.architecture.statements.reading import default, of, says

_SETTINGS = "server/settings/*.py"
_OVERLOAD, _SERVING, _SECURITY = "docs/overload.md", "docs/serving.md", "docs/security.md"

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
        of("server.rpc.core.streams.reading", "AHEAD_BYTES"),
        of("server.rpc.core.streams.reading", "AHEAD_FRAMES"),
    ),
    says(_SERVING, "no sign of life for {} (`worker_silence_s`)", default("server", "worker_silence_s")),
    says(
        _SERVING,
        "dies {} times in a row within {} seconds each",
        of("server.workers.supervisor", "_MOST_EARLY_DEATHS"),
        of("server.workers.supervisor", "_STEADY_S"),
    ),
    says(
        _SERVING, "Every {} (`history.snapshot_interval_s`)", default("server", "history.snapshot_interval_s")
    ),
    says(_SERVING, "(`journal.buffer_bytes`, {})", default("server", "journal.buffer_bytes")),
    says(_SERVING, "tries for {} more seconds", of("server.journal.writer", "_LAST_TRIES_S")),
    says(
        _SERVING,
        "tries again after {} and then ever less often, every {} at the longest",
        of("server.journal.writer", "_FIRST_PAUSE_S"),
        of("server.journal.writer", "_LONGEST_PAUSE_S"),
    ),
    says(_SERVING, "less than {} (`journal.min_free_bytes`)", default("server", "journal.min_free_bytes")),
    says(
        _SERVING,
        "with a {} more. A server",
        one_less("server.journal.writer", "_MARGIN"),
    ),
    says(_SERVING, "may not make files of {} (`ulimit", of("server.journal.writer", "_LARGEST_ENTRY_BYTES")),
    says(_SERVING, "beyond {} of each kind", of("server.scoring.attribute_census", "_MOST_NAMES")),
    says(
        _SERVING,
        "An account takes {} bytes, a merchant, device or category {}, each with {} to {} bytes of index",
        ACCOUNT,
        PROFILE,
        LEAST,
        MOST,
    ),
    says(
        _SERVING,
        "the latest {} transactions {} each",
        default("server", "history.recent_transactions"),
        recent_by_default(),
    ),
    says(_SERVING, "exits with {} where a start", of("server.cli.app", "_EXIT_USAGE")),
    says(_SERVING, "Uid {};", UID),
    says(_SERVING, "as uid {} on", UID),
    says(_SERVING, "Python {} or newer, pip", PYTHON),
    says(_SERVING, "`python:{}-slim`", number_in("docker/server.Dockerfile", r"python:([\d.]+)-slim")),
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
    says(_OVERLOAD, "a {} of it for more than a second", one_of("server.rpc.admission.unread", "_SHARE")),
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
    says(_OVERLOAD, "none beyond {}.", number_in("pyproject.toml", r'"grpcio>=([\d.]+),<')),
    says(_OVERLOAD, "a thread a call, {} a stream", 2),
    says(
        "docs/performance.md",
        "{} calls of each of four connections",
        default("server", "limits.max_streams_per_connection"),
    ),
    says("docs/performance.md", "low priority (nice {})", of("server.host.scheduling", "_GIVEN_WAY")),
    says("docs/performance.md", "models loaded at nice {},", of("server.host.scheduling", "_GIVEN_WAY")),
    says("docs/performance.md", "handed over after {} |", of("server.host.scheduling", "_LOCK_HELD_S")),
    says("docs/performance.md", "(`history.recent_transactions`, {} bytes each)", recent_by_default()),
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

_ACCESS = "docs/access.md"

ACCESS = (
    says(_ACCESS, "give or take `leeway_s` ({})", default("server", "access.leeway_s")),
    says(
        _ACCESS,
        "an answer has at most {} and {}",
        of("server.access.tokens.key_sources", "_MOST_BYTES"),
        of("server.access.tokens.key_sources", "_TIMEOUT_S"),
    ),
    says(_ACCESS, "each `jwks_refresh_s` ({})", default("server", "access.jwks_refresh_s")),
    says(_ACCESS, "once in `jwks_unknown_s` ({})", default("server", "access.jwks_unknown_s")),
    says(_ACCESS, "Of one reason {} lines a second", of("server.access.security_log", "LINES_A_SECOND")),
    says(_ACCESS, "the {} in use are found", of("server.access.guard", "_MOST_READY")),
    says(_ACCESS, "`token_checks_per_s` after {} at once", of("server.access.checks", "CHECKS_AT_ONCE")),
    says(_SETTINGS, "a second, once {} have been", of("server.access.checks", "CHECKS_AT_ONCE")),
)

SETTINGS = (
    says(
        _SETTINGS,
        "more than the {} calls of one connection",
        default("server", "limits.max_streams_per_connection"),
    ),
    says(_SETTINGS, "longer for {} on end", of("server.rpc.admission.overload", "INTERVAL_S")),
    says(_SETTINGS, "a second, after {} at once", of("server.rpc.admission.overload", "REFUSALS_AT_ONCE")),
    says(_SETTINGS, "of one connection a {} of it", one_of("server.rpc.admission.unread", "_SHARE")),
    says(_SETTINGS, "is open, up to a {} less", of("server.rpc.calls.lifetime", "_JITTER")),
    says(_SETTINGS, "A frame of {} transactions takes", default("server", "limits.max_frame_transactions")),
    says(_SETTINGS, "without an answer within a {} of that", 1 / 3),
    says("server/rpc/calls/transport.py", '"grpc.keepalive_timeout_ms", keepalive_ms // {})', 3),
    says(
        _SETTINGS, "for repeats and outcomes; {} to {} bytes each.", recent_bytes(True), recent_bytes(False)
    ),
    says(_SETTINGS, "Most accounts kept, {} each and {} to {} bytes of index", ACCOUNT, LEAST, MOST),
    says(_SETTINGS, "shorter once a {} of the buffer", of("server.journal.writer", "_SYNC_AT")),
    says(_SETTINGS, "answered again with a {} more", one_less("server.journal.writer", "_MARGIN")),
    says(_SETTINGS, "the ids' hashes, {} hexadecimal digits", KEY),
    says("trainer/settings/config.py", "of ids, {} hexadecimal digits", KEY),
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

SECURITY = (
    says(_SECURITY, "RSA of {} bits or more", of("server.tls.material", "_LEAST_RSA_BITS")),
    says(_SETTINGS, "RSA of {} bits or more", of("server.tls.material", "_LEAST_RSA_BITS")),
    says(_SECURITY, "and exit code {}:", of("server.cli.app", "_EXIT_USAGE")),
    says(_SECURITY, "is larger than {} or holds no PEM", of("server.tls.material", "_MAX_BYTES")),
    says(_SECURITY, "From {} days before, the log warns", of("server.tls.watch", "WARN_BEFORE.days")),
)
