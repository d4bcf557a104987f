"""Tuning of a recipe: a search whose trials are judged on the folds of a backtest.

Nothing is imported here, so that the command line can ask for its own part alone.
"""
