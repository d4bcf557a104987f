"""Statements about what the server keeps, history and journal, and those of README and changelog."""

from __future__ import annotations

from kuntur.transparency.standalone import VERIFIER
from tests.architecture.statements.derived import (
    ACCOUNT,
    FEATURES,
    LEAST,
    MOST,
    PROFILE,
    PYTHON,
    RECENT,
    UID,
    index_bytes,
    records_a_step,
)
from tests.architecture.statements.reading import Code, default, of, says, within

_STATE = "docs/state.md"

STATE = (
    says(_STATE, "| account | {} |", ACCOUNT),
    says(_STATE, "| merchant | {} |", PROFILE),
    says(_STATE, "| device | {} |", PROFILE),
    says(_STATE, "| category | {} |", PROFILE),
    says(_STATE, "| latest transaction | {} |", RECENT),
    says(
        _STATE,
        "{} to {} bytes of index for each entity, {} to {} for each latest",
        LEAST,
        MOST,
        index_bytes("kuntur.history.recent", True),
        index_bytes("kuntur.history.recent", False),
    ),
    *(
        says(_STATE, f"| `history.{name}` | {{}} |", default("server", f"history.{name}"))
        for name in ("max_accounts", "max_merchants", "max_devices", "max_categories", "recent_transactions")
    ),
    says(_STATE, "with {} more for the seal", 8),
    says(
        _STATE,
        "; {} times as many latest",
        within("_TRANSACTIONS_FOR_A_RECORD", "server.state", "kuntur.history"),
    ),
    says(
        _STATE,
        "In tables of up to {} records … longest idle of {} that",
        of("kuntur.records.adding", "LOOKED_AT"),
        of("kuntur.records.adding", "LOOKED_AT"),
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
        records_a_step(),
        of("server.state.region.scrubber", "_STEP_S"),
    ),
    says(_STATE, "From {} on the log", of("server.state.region.region", "_LONG_BYTES")),
    says(
        "docs/features.md",
        "An account's record takes {} bytes, that of a merchant, device or category {}, and {} to {} bytes",
        ACCOUNT,
        PROFILE,
        LEAST,
        MOST,
    ),
    says("kuntur/records/table.py", "share of the index is {} to {} bytes", LEAST, MOST),
    says(
        "kuntur/history/recent.py",
        "in words: {} bytes each, {} to {} of index",
        RECENT,
        index_bytes("kuntur.history.recent", True),
        index_bytes("kuntur.history.recent", False),
    ),
    says("docs/performance.md", "(2, 8, 12): within noise of {}.", within("_AHEAD", "kuntur.features")),
    says("docs/performance.md", "size of the history; {} bytes an account", ACCOUNT),
    says(
        "docs/shared-store.md",
        "after {} tries a server asks",
        of("server.state.redis.history", "_TRIES_BEFORE_TURN"),
    ),
    says(
        "docs/shared-store.md",
        "device, category: {} bytes of version",
        of("server.state.redis.scripts", "VERSION_BYTES"),
    ),
    says("docs/shared-store.md", "and else after {}:", of("server.state.redis.frame", "OPEN_S")),
    says(
        "docs/shared-store.md", "until it is answered, {} at most", of("server.state.redis.frame", "OPEN_S")
    ),
    says("docs/shared-store.md", "and {} for each of {} features", 4, FEATURES),
)

_PROOF = "docs/transparency.md"

PROOF = (
    says(_PROOF, "{} neighbouring hashes are a file", of("kuntur.transparency.tree.tiles", "WIDTH")),
    says(_PROOF, "behind it, {} bytes |", of("kuntur.transparency.tree.tiles", "TILE_BYTES")),
    says(_PROOF, "up to {} callers at once", of("server.witness.http", "_MOST_CALLERS")),
    says(
        _PROOF,
        "is {} lines on Python's standard library",
        Code("lines of the verifier", lambda: len(VERIFIER.read_text("utf-8").splitlines())),
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
    says(
        "docs/journal.md",
        "[encrypted](#encryption) are of revision {}.",
        of("kuntur.journal.layout", "SEALED_REVISION"),
    ),
    says(
        "kuntur/journal/layout.py",
        "of revision {} are encrypted",
        of("kuntur.journal.layout", "SEALED_REVISION"),
    ),
    says("CHANGELOG.md", "AES-256-GCM (revision {})", of("kuntur.journal.layout", "SEALED_REVISION")),
    says("docs/journal.md", "its tag of {} bytes", of("kuntur.journal.layout", "TAG_BYTES")),
    says(
        "docs/journal.md",
        "the first {} bytes of the record are authenticated",
        of("kuntur.journal.layout", "SEALED_START_BYTES"),
    ),
    says("docs/journal.md", "is a file `*.key` of {} bytes", of("kuntur.journal.sealing.keys", "KEY_BYTES")),
    says(
        "docs/journal.md",
        "identity of a key`, {} bytes.",
        of("kuntur.journal.sealing.keys", "KEY_ID_BYTES"),
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
        of("server.rpc.core.streams.reading", "AHEAD_BYTES"),
        of("server.rpc.core.streams.reading", "AHEAD_FRAMES"),
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
    says("CHANGELOG.md", "run as uid {} on", UID),
    says("CHANGELOG.md", "**Features**: {}. New", FEATURES),
    says("README.md", "machine with Python {} or newer", PYTHON),
    says("Makefile", "Kuntur needs Python {} or newer", PYTHON),
    says("docker/server.Dockerfile", "Any image with Python {} or newer", PYTHON),
    says("docker/trainer.Dockerfile", "Any image with Python {} or newer", PYTHON),
    says("README.md", 'with Client("localhost:{}")', 50051),
    says("README.md", "above {} the run stops", default("trainer", "data.max_reject_share")),
)
