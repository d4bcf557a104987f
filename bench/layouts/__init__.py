"""Data of other layouts, to see that a mapping is all that new data need."""
