"""Prequential evaluation: a recipe judged on folds that follow one another in time.

Nothing is imported here, so that the command line can ask for its own part alone.
"""
