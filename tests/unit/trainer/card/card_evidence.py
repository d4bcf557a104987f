"""Evidence for model cards: a full one as large as asked for, and one that has only what must be there."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kuntur.bundle.bundle import Manifest, Thresholds, feature_uses
from kuntur.features import CATALOGUE, FEATURE_NAMES
from tests.unit.trainer.samples import WINDOW
from trainer.card import Evidence, TestWindow
from trainer.evaluation.evaluate import INTERVAL_NOTE, figures, intervals
from trainer.settings.recording import CardSettings

THRESHOLDS = Thresholds(review=0.4, decline=0.8, rationale="Alert budget: 5 a day")
DAYS = 7.0
HOSTILE = "attribute.<script>alert('x')</script>$\\frac&\"_"


def window(n: int = 6000, seed: int = 0) -> TestWindow:
    """Returns scored rows of which about one in fifty is fraud, calibrated."""
    chance = np.random.default_rng(seed)
    probability = (chance.beta(0.05, 2.5, n)).astype(np.float32)
    label = chance.random(n) < probability
    amount = chance.lognormal(4, 1, n)
    return TestWindow(label=label, probability=probability, amount=amount, days=DAYS, currency="PEN")


@functools.cache
def window_intervals() -> dict[str, tuple[float, float, float]]:
    """Returns the intervals of the figures of `window`, each row of an account of its own."""
    test = window()
    account = np.arange(len(test.label))
    found = intervals(test.label, test.probability, test.amount, DAYS, THRESHOLDS, account, replicates=20)
    return {name: (each.value, each.low, each.high) for name, each in found.items()}


_OF_THE_MANIFEST = {*Manifest.model_fields, "feature_names"} - {"verdict"}


def bare(**changes: Any) -> Evidence:
    """Returns the least that a bundle can say; changes: of the manifest or of the evidence."""
    test = window()
    fields: dict[str, Any] = {
        "model_version": "20240322-xgboost-0123456789",
        "algorithm": "xgboost",
        "parameters": {"max_depth": 5, "learning_rate": 0.08},
        "feature_names": FEATURE_NAMES[:3],
        "catalogue_fingerprint": "0" * 16,
        "window": WINDOW,
        "data_hash": "ab" * 32,
        "row_count": 40_000,
        "fraud_count": 600,
        "metrics": figures(test.label, test.probability, test.amount, DAYS, THRESHOLDS),
        "thresholds": THRESHOLDS,
        "parity": {},
        "library_versions": {},
        "git_revision": "",
    }
    fields |= {name: value for name, value in changes.items() if name in _OF_THE_MANIFEST}
    others = {name: value for name, value in changes.items() if name not in _OF_THE_MANIFEST}
    manifest = Manifest(features=feature_uses(tuple(fields.pop("feature_names"))), **fields)
    return Evidence(manifest=manifest, **({"card": CardSettings()} | others))


def champion(**changes: Any) -> Manifest:
    """Returns the manifest of a model that was live."""
    fields: dict[str, Any] = {
        "model_version": "20240215-xgboost-abcdefabcd",
        "algorithm": "xgboost",
        "features": feature_uses((*FEATURE_NAMES[1:3], "attribute.old")),
        "catalogue_fingerprint": "0" * 16,
        "window": WINDOW,
        "data_hash": "cd" * 32,
        "row_count": 30_000,
        "fraud_count": 500,
        "metrics": {"average_precision": 0.4, "auc_roc": 0.8},
        "thresholds": Thresholds(review=0.3, decline=0.7, rationale="before"),
        "parameters": {"max_depth": 4, "learning_rate": 0.08},
        "parity": {},
        "library_versions": {},
        "git_revision": "",
    }
    return Manifest(**(fields | changes))


def full(features: int = 12, tried: int = 9, **changes: Any) -> Evidence:
    """Returns evidence of every kind; one feature has a name that would break a careless page."""
    chance = np.random.default_rng(1)
    known = [feature.name for feature in CATALOGUE]
    names = tuple([HOSTILE, *known, *(f"attribute.extra_{i}" for i in range(features))][:features])
    bins = [{"low": low, "high": low + 1, "training": 0.1, "test": 0.1} for low in range(10)]
    quality = {
        "rows": 40_000,
        "rejected": {"rows_read": 40_010, "rows_rejected": 10, "findings": []},
        "lost": [{"file": "worker-0/f.kj", "byte": 0, "bytes": 0, "entries": 3, "cause": "a repair"}],
        "columns": {
            name: {
                "type": "Float64",
                "unit": "",
                "personal_data": "unknown",
                "missing": 0.1,
                "distinct": 30,
                "quantiles": {"0.01": 0.0, "0.25": 1.0, "0.5": 2.0, "0.75": 3.0, "0.99": 4.0},
                "histogram": {"scale": "linear", "edges": [0, 1, 2], "rows": [20, 30]},
            }
            for name in (HOSTILE, "attribute.plain")
        },
    }
    rows = [
        {
            "number": place,
            "parameters": {"algorithm": ("xgboost", "random_forest")[place % 2], "max_depth": place},
            "average_precision": 0.5 + 0.4 * chance.random(),
            "rounds": 40,
            "failed": False,
        }
        for place in range(tried)
    ]
    rows[1] = {"number": 1, "parameters": {"algorithm": "xgboost"}, "failed": True}
    settings = {"data": {"paths": ["a.parquet"]}, "hash_key": "00ff", "database": {"password": "hunter2"}}
    given: dict[str, Any] = {
        "feature_names": names,
        "test": window(),
        "sources": ("postgresql://ana:hunter2@db.example:5432/bank, table transactions",),
        "importance": np.linspace(0, 1, len(names)),
        "intervals": window_intervals(),
        "interval_note": INTERVAL_NOTE,
        "quality": quality,
        "checks": {"passed": True, "rules": [{"rule": "<b>amount</b>", "failed": 0, "examples": []}]},
        "trials": rows[::-1],
        "calibration": {"method": "isotonic", "margins": list(range(40))},
        "parity": {"rows": 400.0, "max_probability_difference": 1e-8},
        "leakage": {"text": "No column tells the label.", "columns": [{"name": HOSTILE, "own": 0.2}]},
        "drift": [{"name": name, "psi": 0.01 * place, "bins": bins} for place, name in enumerate(names)],
        "segments": [{"segment": "channel", "name": "ATM", "rows": 9, "average_precision": 0.5}],
        "verdict": {
            "promoted": False,
            "forced": False,
            "text": "Not promoted: it finds less.",
            "findings": [{"name": "margin", "passed": False, "text": "0.1 less", "figures": {"low": -0.2}}],
        },
        "champion": champion(),
        "traces": ("accepted leak column " + HOSTILE,),
        "reasons": "Exact TreeSHAP.",
        "settings": settings,
        "library_versions": {"xgboost": "3.2.0", "numpy": "2.4.0"},
        "git_revision": "0123abc",
    }
    return bare(**(given | changes))
