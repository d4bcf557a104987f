"""Prequential evaluation: a recipe judged on folds that follow one another in time."""

from trainer.backtest.folds import Fold, History, cut_folds

__all__ = ["Fold", "History", "cut_folds"]
