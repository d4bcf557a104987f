"""Statements about what a model is judged by and comes with: backtest, data, bundle, reasons."""

from __future__ import annotations

from tests.architecture.statements.reading import ROOT, Code, default, of, says
from tests.architecture.statements.rules import longest, longest_address, most_attributes

_BUNDLE, _DATA, _SIGNING = "docs/bundle.md", "docs/data.md", "docs/signing.md"
_DETECTION, _REASONS = "docs/detection.md", "docs/reasons.md"
_LEVEL = of("trainer.evaluation.bootstrap", "LEVEL")
_MARGINS = of("trainer.export.explanation", "TOLERANCE")


def _gate(name: str) -> Code:
    return default("trainer", f"gate.{name}")


def _field(module: str, name: str, field: str, bound: str) -> Code:
    """Returns a bound of a field of a model."""

    def look() -> object:
        model = of(module, name).value()
        found = [getattr(each, bound) for each in model.model_fields[field].metadata if hasattr(each, bound)]
        return found[0]

    return Code(f"{name}.{field}, {bound}", look)


def _argument(module: str, function: str, name: str) -> Code:
    """Returns the default of an argument."""

    def look() -> object:
        import inspect

        return inspect.signature(of(module, function).value()).parameters[name].default

    return Code(f"{module}.{function}, {name}", look)


def _recipe(key: str) -> Code:
    def look() -> object:
        import tomllib

        return tomllib.loads((ROOT / "trainer/models/recipes/default.toml").read_text(encoding="utf-8"))[key]

    return Code(f"the shipped recipe, {key}", look)


DETECTION = (
    says(_DETECTION, "newest `--folds` ({}) are taken", default("trainer", "backtest.folds")),
    says(
        _DETECTION,
        "The defaults ({} days, the mapping's delay, {} days)",
        default("trainer", "backtest.train_days"),
        default("trainer", "backtest.test_days"),
    ),
    says(_DETECTION, "`backtest.calibrate_days` ({}) before", default("trainer", "backtest.calibrate_days")),
    says(_DETECTION, "at most a {} of what is learnt", 1 / 3),
    says("trainer/settings/judging.py", "end of training, a {} of what", 1 / 3),
    says(_DETECTION, "hold {} of {} bootstrap replicates", _LEVEL, default("trainer", "backtest.resamples")),
    says(_DETECTION, "over {} bins of equal width", of("trainer.evaluation.figures", "CALIBRATION_BINS")),
    says(_DETECTION, "on a budget of {} |", default("trainer", "thresholds.review_alerts_per_day")),
    says(_DETECTION, "card precision@{} (a perfect", default("trainer", "backtest.k")),
    says(_DETECTION, "keeps the {} trees that were", _recipe("rounds")),
    says(
        _DETECTION,
        "40 settings of all families in 24 min on 2 cores, each on {} rows",
        default("trainer", "search.max_rows"),
    ),
    says(
        _DETECTION, "with base_score {} and {} bins", 0.5, of("trainer.models.gradient_boosting", "_MAX_BIN")
    ),
    says(
        _DETECTION, "{} with {} bins are the default", 0.5, of("trainer.models.gradient_boosting", "_MAX_BIN")
    ),
    says("trainer/models/gradient_boosting.py", "`base_score` {} and many bins", 0.5),
)

DATA = (
    says(_DATA, "allowed share (`max_reject_share`, {})", default("trainer", "data.max_reject_share")),
    says(_DATA, "than the {} that is allowed", default("trainer", "data.max_reject_share")),
    says(
        _DATA,
        "allowed share (`max_reject_share`, {})",
        _argument("kuntur.tables", "read", "max_reject_share"),
    ),
    says(
        _DATA,
        "An id is longer than {} bytes, an address than {}, a kind of fraud than",
        longest("account_id"),
        longest_address(),
    ),
    says(
        _DATA,
        "value is empty. {} to {}. |",
        _field("kuntur.tables.formats", "Label", "delay_days", "ge"),
        _field("kuntur.tables.formats", "Label", "delay_days", "le"),
    ),
    says(_DATA, "Attribute name to column, at most {}:", most_attributes()),
    says(_DATA, "every failed rule and exit code {}.", of("trainer.cli.faults", "NOT_CARRIED_OUT")),
)

BUNDLE = (
    says(_BUNDLE, "up to {} inputs spread over", of("trainer.release.publish", "GOLDEN_ROWS")),
    says(_BUNDLE, "a device or beyond {} |", of("kuntur.bundle.bundle", "_MAX_FILE_BYTES")),
    says(_BUNDLE, "of this form or beyond {},", of("kuntur.bundle.manifest", "MAX_MANIFEST_BYTES")),
    says(_BUNDLE, "outside the bundle or more than {},", of("kuntur.bundle.bundle", "_MAX_BUNDLE_BYTES")),
    says(_BUNDLE, "golden vectors are beyond {},", of("kuntur.bundle.bundle", "_MAX_GOLDEN_BYTES")),
    says(
        _BUNDLE,
        "more than {} files, or folders more than {} deep |",
        of("kuntur.bundle.contents", "MAX_FILES"),
        of("kuntur.bundle.contents", "_MAX_DEPTH"),
    ),
    says(
        _SIGNING,
        "at most {} files, folders {} deep",
        of("kuntur.bundle.contents", "MAX_FILES"),
        of("kuntur.bundle.contents", "_MAX_DEPTH"),
    ),
    says(
        _SIGNING,
        "within bounds ({}, {}, {})",
        of("kuntur.bundle.manifest", "MAX_MANIFEST_BYTES"),
        of("kuntur.bundle.bundle", "_MAX_HASH_BYTES"),
        of("kuntur.bundle.signing.envelope", "MAX_BYTES"),
    ),
    says(_SIGNING, "nested more than {} messages deep", of("kuntur.bundle.onnx_file", "MAX_DEPTH")),
    says(_SIGNING, "counts; {} days before", of("server.models.trust", "_WARN_DAYS")),
    says(
        _BUNDLE,
        "`models.trial_s` ({}) or `models.trial_bytes` ({})",
        default("server", "models.trial_s"),
        default("server", "models.trial_bytes"),
    ),
    says(_BUNDLE, "`models.max_call_ms` ({})", default("server", "models.max_call_ms").by(1e-3)),
    says(_BUNDLE, "scores otherwise, by more than {},", of("server.trial.contract", "GOLDEN_TOLERANCE")),
    says(_BUNDLE, "golden vectors within {} |", of("server.models.loader", "EXPLANATION_TOLERANCE")),
    says(_BUNDLE, "The process is kept for {},", of("server.trial.process", "_IDLE_S")),
    says(_BUNDLE, "bars of fewer than {} rows", of("trainer.sources.profile", "FEWEST")),
    says(_BUNDLE, "keep {} digits", of("trainer.sources.profile", "_DIGITS_UNKNOWN")),
    says(_BUNDLE, "values beyond {} interquartile", of("trainer.sources.profile", "_WHISKER")),
    says(_BUNDLE, "`format_version` ({})", 1),
    says("trainer/card/schema/validation.py", "format_version: Literal[{}]", 1),
    says(_BUNDLE, "to be watched, from {} the feature moved far", _gate("max_psi")),
    says(_REASONS, "carries the {} strongest", default("server", "reasons.per_transaction")),
    says(_REASONS, "its response beyond {},", of("kuntur.wire.scores", "MAX_REASONED_BYTES")),
    says(
        _REASONS,
        "base of {} rows meet the library's own margins within {} (of",
        of("trainer.export.explanation", "_MAX_ROWS"),
        _MARGINS,
    ),
    says(_REASONS, "choosing the strongest {} and wording", default("server", "reasons.per_transaction")),
)
