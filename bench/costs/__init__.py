"""Measurements of single parts: what a mechanism or an option costs."""
