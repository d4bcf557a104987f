"""Fitting a recipe to rows, on one machine or on several."""
