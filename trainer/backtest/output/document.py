"""A backtest as one JSON document: everything that was settled, and every figure. Same run, same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np

from trainer.backtest.choosing import Chosen
from trainer.backtest.contenders import RECIPE
from trainer.backtest.figures.card_precision import CardDays
from trainer.backtest.figures.metrics import reliability
from trainer.backtest.run import Round
from trainer.backtest.summary import Figure, Summary
from trainer.evaluation.bootstrap import LEVEL
from trainer.models import Parameters
from trainer.settings.config import TrainerSettings


def document(
    rounds: list[Round],
    summary: Summary,
    recipe: Parameters | None,
    chosen: Sequence[Chosen],
    context: dict[str, Any],
    settings: TrainerSettings,
) -> dict[str, Any]:
    """Returns the document; what is not a number in it is null.

    recipe: the one given, None where each fold chose its own; chosen: what each fold fitted; context: of the
    data, such as their hash.
    """
    found = {
        "data": context,
        "recipe": None if recipe is None else dict(recipe),
        "settings": {
            name: getattr(settings, name).model_dump(mode="json")
            for name in ("backtest", "search", "split", "calibration", "thresholds")
        },
        "interval_level": LEVEL,
        "folds": [
            _fold(one, settings) | {"recipe": dict(what.parameters), "choice": what.text}
            for one, what in zip(rounds, chosen, strict=True)
        ],
        "figures": {
            contender: {name: _figure(figure) for name, figure in figures.items()}
            for contender, figures in summary.figures.items()
        },
        "gains": {
            contender: {name: asdict(gain) for name, gain in gains.items()}
            for contender, gains in summary.gains.items()
        },
    }
    return {name: _without_nan(value) for name, value in found.items()}


def as_json(found: dict[str, Any]) -> bytes:
    """Returns the document as text."""
    return (json.dumps(found, indent=1, allow_nan=False) + "\n").encode()


def _fold(one: Round, settings: TrainerSettings) -> dict[str, Any]:
    fold, scored, k = one.fold, one.judged[RECIPE].scored, settings.backtest.k
    perfect = replace(scored, score=scored.label.astype(np.float64))
    return {
        "number": fold.number,
        "train_start": fold.train_start.isoformat(),
        "test_start": fold.test_start.isoformat(),
        "test_end": (fold.test_start + timedelta(days=settings.backtest.test_days)).isoformat(),
        "training_rows": len(fold.training),
        "training_frauds": one.training_frauds,
        "calibration_days": one.holdout.days,
        "calibration_rows": len(one.holdout.rows),
        "calibration_frauds": int(one.holdout.label.sum()),
        "test_rows": len(fold.test),
        "test_frauds": int(scored.label.sum()),
        "removed_rows": fold.removed,
        f"card_precision@{k}_of_a_perfect_ranking": CardDays.of(perfect, k)(np.ones(len(scored))),
        "contenders": {
            name: {
                "thresholds": {
                    "review": judged.thresholds.review,
                    "decline": judged.thresholds.decline,
                    "rationale": judged.thresholds.rationale,
                },
                "calibration": dict(judged.calibration),
                "reliability": reliability(judged.scored),
            }
            for name, judged in one.judged.items()
        },
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "mean": asdict(figure.mean),
        "std": figure.std,
        "folds": [asdict(fold) for fold in figure.folds],
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
