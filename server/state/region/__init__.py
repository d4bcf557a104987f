"""The history in a region of memory or a file, for one process or several."""
