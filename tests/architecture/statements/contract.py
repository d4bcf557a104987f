"""Statements of the protos, the service config and the clients."""

from __future__ import annotations

import json
from typing import Any

from tests.architecture.statements.reading import ROOT, Code, client, default, of, says
from tests.architecture.statements.rules import (
    earliest_day,
    highest,
    longest,
    longest_address,
    longest_name,
    most_attributes,
)

_API = "protos/kuntur/api/v1"
_ID = longest("account_id")
_FRAME = default("server", "limits.max_frame_transactions")
_OUTCOMES = default("server", "limits.max_request_outcomes")
_RECENT = default("server", "history.recent_transactions")


def _policy(*path: str) -> Code:
    """Returns a part of the shipped service config."""

    def look() -> Any:
        config = json.loads((ROOT / _API / "service_config.json").read_text(encoding="utf-8"))
        (method,) = config["methodConfig"]
        found = method["retryPolicy"] | config["retryThrottling"]
        value = found[path[0]]
        return float(value.removesuffix("s")) if isinstance(value, str) else value

    return Code(f"service_config.json: {path[0]}", look)


def _one_try_in() -> Code:
    """Returns in how many tries one may fail before the budget runs down: a failure costs 1."""
    ratio = _policy("tokenRatio")
    return Code("1 + 1 / tokenRatio", lambda: round(1 + 1 / ratio.value()))


def _option(command: str, name: str, what: str) -> Code:
    """Returns the default, or the bound, of an option of `kuntur`."""

    def look() -> object:
        import typer

        from clients.cli.app import app

        found = typer.main.get_command(app).commands[command]
        (option,) = (each for each in found.params if name in each.opts)
        return getattr(option, what)

    return Code(f"kuntur {command} {name}, {what}", look)


PROTOS = (
    says(f"{_API}/transaction.proto", "any UTF-8 text of at most {} bytes that is stable", _ID),
    says(
        f"{_API}/transaction.proto",
        "Unique within the institution; required, {} to {} bytes.",
        1,
        longest("transaction_id"),
    ),
    says(
        f"{_API}/transaction.proto",
        "Names the institution that asks. Optional, at most {} bytes.",
        longest("institution_id"),
    ),
    says(f"{_API}/transaction.proto", "Required; from {text} to a tolerance", earliest_day()),
    says(
        f"{_API}/transaction.proto",
        "history.future_tolerance_s ({} by default)",
        default("server", "history.future_tolerance_s"),
    ),
    says(f"{_API}/transaction.proto", "Names the account or card. Required, {} to {} bytes.", 1, _ID),
    says(f"{_API}/transaction.proto", "0 for a VERIFICATION; at most {}.", highest("amount_minor")),
    says(f"{_API}/transaction.proto", "within ±{}.", highest("account_balance_minor")),
    says(
        f"{_API}/transaction.proto",
        "account was opened, {} to {}.",
        0,
        highest("account_age_days"),
    ),
    says(
        f"{_API}/transaction.proto",
        "other side of a transfer. Optional, at most {} bytes.",
        longest("counterparty_account_id"),
    ),
    says(
        f"{_API}/transaction.proto",
        "Merchant, terminal or agent. Optional, at most {} bytes.",
        longest("merchant_id"),
    ),
    says(
        f"{_API}/transaction.proto",
        "terminal of the customer. Optional, at most {} bytes.",
        longest("device_id"),
    ),
    says(
        f"{_API}/transaction.proto",
        "in text form. Optional, at most {} bytes.",
        longest_address(),
    ),
    says(
        f"{_API}/transaction.proto",
        "underscores, at most {} bytes; at most {} entries)",
        longest_name(),
        most_attributes(),
    ),
    says(f"{_API}/outcome.proto", "The transaction. Required, {} to {} bytes.", 1, _ID),
    says(f"{_API}/outcome.proto", "as it was scored. Optional, at most {} bytes.", _ID),
    says(f"{_API}/scoring_service.proto", "{} to {} transactions (the upper limit", 1, _FRAME),
    says(f"{_API}/history_service.proto", "{} to {} transactions (the upper limit", 1, _FRAME),
    says(
        f"{_API}/history_service.proto",
        "first of the refused, at most {}.",
        of("server.rpc.endpoints.history", "_MAX_FAILURES"),
    ),
    says(f"{_API}/outcome_service.proto", "{} to {} outcomes (the upper limit", 1, _OUTCOMES),
    says(
        f"{_API}/score.proto",
        "strongest first: {} unless the server",
        default("server", "reasons.per_transaction"),
    ),
    says(
        f"{_API}/score.proto", "would become larger than {},", of("kuntur.wire.scores", "MAX_REASONED_BYTES")
    ),
    says(
        f"{_API}/error_reason.proto",
        "as far as {} (in a frame {} for all its items)",
        of("server.rpc.errors", "_MAX_TRAILER_BYTES"),
        of("server.settings.largest", "MAX_REFUSALS_BYTES"),
    ),
    says(f"{_API}/error_reason.proto", '{"maximum": "{}"}', _FRAME),
    says(f"{_API}/error_reason.proto", '{"limit": "{}", "resource"', default("server", "limits.max_streams")),
    says(f"{_API}/error_reason.proto", 'its `domain` is "{text}"', of("server.rpc.errors", "DOMAIN")),
)

CLIENTS = (
    says("clients/sync/client.py", "in calls of at most {}. Safe", _OUTCOMES),
    says("clients/aio/client.py", "in calls of at most {}. Safe", _OUTCOMES),
    says("clients/values/outcomes.py", "MAX_OUTCOMES_PER_CALL = {} # as many", _OUTCOMES),
    says("clients/values/history.py", "MAX_FRAME_TRANSACTIONS = {}", _FRAME),
    says(
        "clients/values/history.py",
        "The first of the refused, at most {}.",
        of("server.rpc.endpoints.history", "_MAX_FAILURES"),
    ),
    says("clients/sync/client.py", "`recent_transactions`, {} by default", _RECENT),
    says("clients/aio/client.py", "`recent_transactions`, {} by default", _RECENT),
    says("clients/cli/backfill.py", "recent_transactions, {} by default", _RECENT),
    says("clients/cli/backfill.py", "max={}, help", _FRAME),
    says("clients/config.py", 'server: str = "localhost:{}"', 50051),
    says(
        "server/settings/*.py",
        '= "127.0.0.1:{text}"',
        Code("ClientConfig.server", lambda: str(client("server").value()).rpartition(":")[2]),
    ),
    says("clients/config.py", "gRPC takes at most {}. Every", 5),
    says("clients/config.py", "min(self.max_attempts, {})", 5),
    says("clients/config.py", "more than about one try in {} fails", _one_try_in()),
    says(
        "clients/config.py",
        "a server gives a frame no reasons beyond {}.",
        of("kuntur.wire.scores", "MAX_REASONED_BYTES"),
    ),
    says(
        "server/rpc/calls/transport.py",
        "well below the clients' {}: who",
        client("keepalive_seconds"),
    ),
    says("docs/overload.md", "up to {} tries of a unary call", _policy("maxAttempts")),
    says(
        "docs/overload.md",
        "a bound that doubles from {} to {},",
        _policy("initialBackoff"),
        _policy("maxBackoff"),
    ),
    says("docs/overload.md", "more than about one try in {} fails", _one_try_in()),
    says(
        "docs/performance.md",
        "while fewer than {} frames are unanswered, and gathers otherwise, for {} at most",
        of("clients.sync.packing", "AT_ONCE_FRAMES"),
        0.002,
    ),
    says("clients/sync/packing.py", "max_delay_seconds: float = {},", 0.002),
    says("clients/aio/packing.py", "max_delay_seconds: float = {},", 0.002),
    says("clients/sync/packing.py", "While fewer than {} frames are unanswered, what", 2),
    says("clients/aio/packing.py", "While fewer than {} frames are unanswered, what", 2),
    says("clients/cli/options.py", "bulk_timeout_seconds={} * timeout_seconds", 10),
    says("clients/cli/options.py", "many outcomes may take {} times as long", 10),
    says("clients/cli/score.py", "Exit codes: {} every … {} some were not, {} the command", 0, 1, 2),
    says("clients/cli/backfill.py", "Exit codes: {} every … {} some were not, {} the command", 0, 1, 2),
    says("clients/cli/outcomes.py", "Exit codes: {} every … {} some were not, {} the command", 0, 1, 2),
    says("clients/cli/app.py", "Exit codes: {} all … {} some rows … {} the command", 0, 1, 2),
    says("clients/cli/faults.py", "NOT_CARRIED_OUT = {}", 2),
)

SAME = (
    (client("max_attempts"), _policy("maxAttempts")),
    (client("initial_backoff_seconds"), _policy("initialBackoff")),
    (client("max_backoff_seconds"), _policy("maxBackoff")),
    (of("clients.values.outcomes", "MAX_OUTCOMES_PER_CALL"), _OUTCOMES),
    (of("clients.values.history", "MAX_FRAME_TRANSACTIONS"), _FRAME),
    (_option("backfill", "--frame", "max"), _FRAME),
    (_option("backfill", "--frame", "default"), _FRAME),
    (_option("score", "--server", "default"), client("server")),
    (_option("backfill", "--server", "default"), client("server")),
    (_option("outcomes", "--server", "default"), client("server")),
    (_option("models", "--server", "default"), client("server")),
)
"""What has to be the same in two places."""
