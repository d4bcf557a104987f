"""Statements about training: its page, the cluster, the settings and the commands."""

from __future__ import annotations

from tests.architecture.statements.reading import Code, default, of, says

_TRAINING, _CLUSTER, _DETECTION = "docs/training.md", "docs/cluster.md", "docs/detection.md"
_LEVEL = of("trainer.evaluation.bootstrap", "LEVEL")
_FEW_FRAUDS = of("trainer.calibration.choice", "FEW_FRAUDS")


def _gate(name: str) -> Code:
    return default("trainer", f"gate.{name}")


def _grace_rounds() -> Code:
    reports, rounds = (
        of("trainer.search.methods", "_GRACE_REPORTS"),
        of("trainer.models.gradient_boosting", "REPORT_ROUNDS"),
    )
    return Code("_GRACE_REPORTS × REPORT_ROUNDS", lambda: reports.value() * rounds.value())


def _shifts() -> Code:
    return Code("leakage.neighbours.SHIFTS", lambda: max(of("trainer.leakage.neighbours", "SHIFTS").value()))


TRAINING = (
    says(
        _TRAINING,
        "Above `data.max_reject_share` ({}) the run stops",
        default("trainer", "data.max_reject_share"),
    ),
    says(_TRAINING, "`split.select_days`, {} |", default("trainer", "split.select_days")),
    says(_TRAINING, "`split.calibrate_days`, {} |", default("trainer", "split.calibrate_days")),
    says(_TRAINING, "`split.test_days`, {} |", default("trainer", "split.test_days")),
    says(
        _TRAINING,
        "legitimate transactions weigh {} times the frauds; of more than {} a fraud, {} are drawn",
        *[of("trainer.models.imbalance", "_KEPT_PER_FRAUD")] * 3,
    ),
    says(_TRAINING, "which weigh {} times the real ones", of("trainer.models.smote", "_PER_FRAUD")),
    says(_TRAINING, "At most {} are made.", of("trainer.models.smote", "_MOST")),
    says(_TRAINING, "of which there must be {} |", of("trainer.search.methods", "_OTHERS")),
    says(_TRAINING, "no trial is cut before {} rounds", _grace_rounds()),
    says(_TRAINING, "each at every {} rounds", of("trainer.models.gradient_boosting", "REPORT_ROUNDS")),
    says(
        _TRAINING,
        "`search.standard_errors` ({}) standard error",
        default("trainer", "search.standard_errors"),
    ),
    says(_TRAINING, "difference: {} bootstrap replicates", of("trainer.search.trial", "REPLICATES")),
    says(_TRAINING, "`microseconds_a_row_in_frames` (of {})", of("trainer.evaluation.latency", "FRAME_ROWS")),
    says(
        _TRAINING,
        "no further growth after {} rounds without a better one",
        of("trainer.search.rounds", "PATIENCE_ROUNDS"),
    ),
    says(
        _TRAINING,
        "average precision at every {} rounds on the selection window",
        of("trainer.models.gradient_boosting", "REPORT_ROUNDS"),
    ),
    says(_TRAINING, "`calibration.max_prior_shift` ({})", default("trainer", "calibration.max_prior_shift")),
    says(
        _TRAINING, "`calibration.max_share_change` ({})", default("trainer", "calibration.max_share_change")
    ),
    says(
        _TRAINING,
        "`thresholds.max_alert_excess` ({}, half",
        default("trainer", "thresholds.max_alert_excess"),
    ),
    says(_TRAINING, "newest `refit.calibrate_days` ({},", default("trainer", "refit.calibrate_days")),
    says(_TRAINING, "`leakage.own_limit`, {} |", default("trainer", "leakage.own_limit")),
    says(_TRAINING, "`leakage.neighbour_limit`, {} |", default("trainer", "leakage.neighbour_limit")),
    says(_TRAINING, "fraud of one of the {} next rows", _shifts()),
    says(_TRAINING, "fraud of one of the {} rows before it", _shifts()),
    says(_TRAINING, "slipped by up to {} rows", _shifts()),
    says(
        _TRAINING,
        "{} of the frauds, at least {} |",
        of("trainer.leakage.columns", "_PRESENCE_SHARE"),
        of("trainer.leakage.columns", "_PRESENCE_FRAUDS"),
    ),
    says(
        _TRAINING,
        "Fewer than {} frauds, or frauds of fewer than {} accounts",
        of("trainer.leakage.association", "_FEWEST_FRAUDS"),
        of("trainer.leakage.association", "_FEWEST_ACCOUNTS"),
    ),
    says(_TRAINING, "platt below {} frauds", _FEW_FRAUDS),
    says("trainer/settings/judging.py", "the line below {} frauds", _FEW_FRAUDS),
    says(_TRAINING, "(up to {} of them)", of("trainer.export.parity", "_NEIGHBOURS")),
    says(_TRAINING, "probabilities may differ by {},", of("trainer.export.parity", "PROBABILITY_TOLERANCE")),
    says(_TRAINING, "at least {} frauds in rows", _gate("min_frauds")),
    says(
        _TRAINING,
        "the difference is above {} in {} of {} bootstrap draws",
        _gate("margin"),
        _gate("confidence"),
        _gate("replicates"),
    ),
    says(_TRAINING, "in {} of the draws not {} less", _gate("confidence"), _gate("value_margin").by(-1)),
    says(
        _TRAINING,
        "; {} frauds, {} of the rows) a fall by more than {} that is beyond chance",
        of("trainer.evaluation.segments.figures", "LARGE_FRAUDS"),
        of("trainer.evaluation.segments.figures", "LARGE_SHARE"),
        _gate("segment_tolerance"),
    ),
    says(_TRAINING, "of which fewer than {} accounts are hits", of("trainer.evaluation.proportion", "FEW")),
    says(_TRAINING, "`card.folds` ({})", default("trainer", "card.folds")),
    says(_TRAINING, "`card.history_versions` ({})", default("trainer", "card.history_versions")),
    says(_TRAINING, "`card.review_after_days`, {})", default("trainer", "card.review_after_days")),
    says(_TRAINING, "`card.retire_after_days`, {})", default("trainer", "card.retire_after_days")),
    says(
        _TRAINING,
        "({} institutions, {} categories, {} countries)",
        of("trainer.evaluation.segments.columns", "_MOST_INSTITUTIONS"),
        of("trainer.evaluation.segments.columns", "_MOST_CATEGORIES"),
        of("trainer.evaluation.segments.columns", "_MOST_COUNTRIES"),
    ),
    says(_TRAINING, "calibration error of at most {} |", _gate("max_calibration_error")),
    says(
        _TRAINING,
        "stability index above {} carry at most {} of the importance",
        _gate("max_psi"),
        _gate("max_drifted_importance"),
    ),
    says(
        _TRAINING,
        "`gate.champion_s` ({}) for {} rows",
        _gate("champion_s"),
        of("trainer.confined.model", "CHUNK_ROWS"),
    ),
    says(_TRAINING, "`gate.champion_bytes` ({})", _gate("champion_bytes")),
    says("trainer/settings/judging.py", "for each {} rows", of("trainer.confined.model", "CHUNK_ROWS")),
    says(
        _TRAINING,
        "{} of {} bootstrap replicates that draw accounts",
        _LEVEL,
        of("trainer.evaluation.evaluate", "REPLICATES"),
    ),
    says(
        "trainer/settings/data.py",
        "the mapping's; {} where it has none",
        of("trainer.sources.source", "DEFAULT_LABEL_DELAY_DAYS"),
    ),
    says(
        "trainer/sources/source.py",
        "as the source says, else {}.",
        of("trainer.sources.source", "DEFAULT_LABEL_DELAY_DAYS"),
    ),
    says(
        "trainer/settings/searching.py",
        "scale_pos_weight would be; {} legitimate",
        of("trainer.models.imbalance", "_KEPT_PER_FRAUD"),
    ),
    says("trainer/settings/judging.py", "one of the next {} rows", _shifts()),
    says(
        "trainer/models/imbalance.py",
        "legitimate rows weigh {} times the frauds",
        of("trainer.models.imbalance", "_KEPT_PER_FRAUD"),
    ),
    says("trainer/search/methods.py", "may be ended, {} rounds", _grace_rounds()),
    says(
        "trainer/evaluation/latency.py",
        "single rows and of frames of {},",
        of("trainer.evaluation.latency", "FRAME_ROWS"),
    ),
)

CLUSTER = (
    says(_CLUSTER, "refused within {} seconds", of("trainer.cluster.connection", "_REACHABLE_S")),
    says(
        _CLUSTER,
        "process below {} transactions and on fewer than {} cores",
        of("trainer.dataset.shards", "SHARDED_FROM_ROWS"),
        of("trainer.dataset.shards", "SHARDED_FROM_CORES"),
    ),
    says(_CLUSTER, "written as Parquet parts of {} transactions", of("trainer.dataset.parts", "PART_ROWS")),
    says(
        _CLUSTER,
        "each trial its own in bins, about {} bytes a value",
        of("trainer.fitting.limits", "_BYTES_A_VALUE"),
    ),
    says(
        _CLUSTER, "Rows in bins take about {} bytes a value", of("trainer.fitting.limits", "_BYTES_A_VALUE")
    ),
    says(_CLUSTER, "Up to `fit.driver_bytes` ({} GiB)", 2),
    says(_CLUSTER, "`fit.worker_bytes` ({} GiB each)", 8),
)

_EXITS = {
    "NOTHING_PUBLISHED": "nothing published: no trial",
    "NOT_CARRIED_OUT": "not carried out: what it was",
    "INTERRUPTED": "interrupted: nothing",
}
COMMANDS = (
    *(says(_TRAINING, "| {} | " + text, of("trainer.cli.faults", name)) for name, text in _EXITS.items()),
    says(
        _TRAINING,
        "Exit codes: {} written; {} no trial gave a result; {} not carried out",
        0,
        *(of("trainer.cli.faults", name) for name in list(_EXITS)[:2]),
    ),
    says(_TRAINING, "a column that leaks); {} interrupted", of("trainer.cli.faults", "INTERRUPTED")),
    says(
        _DETECTION,
        "Exit codes: {} judged; {} not carried out",
        0,
        of("trainer.cli.faults", "NOT_CARRIED_OUT"),
    ),
    says(_DETECTION, "that the data do not have); {} interrupted", of("trainer.cli.faults", "INTERRUPTED")),
    says(_TRAINING, "what to do, exit code {};", of("trainer.cli.faults", "NOT_CARRIED_OUT")),
    says(
        "trainer/cli/backtest.py",
        "Exit codes: {} judged, {} not carried out",
        0,
        of("trainer.cli.faults", "NOT_CARRIED_OUT"),
    ),
    says("trainer/cli/backtest.py", "label away), {} interrupted", of("trainer.cli.faults", "INTERRUPTED")),
    says("trainer/cli/compiling.py", "exit with {} where", of("trainer.cli.faults", "NOT_CARRIED_OUT")),
    says(
        "trainer/cli/app.py",
        "Exit codes: {} all compared scores are equal bit for bit, {} some are not, {} not",
        0,
        1,
        of("trainer.cli.faults", "NOT_CARRIED_OUT"),
    ),
    says(
        "trainer/cli/faults.py",
        "Exit code {}: no model passed; {}: not carried out, … {}: interrupted",
        *(of("trainer.cli.faults", name) for name in _EXITS),
    ),
)
