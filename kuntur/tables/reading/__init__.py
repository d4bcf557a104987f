"""Reading files: opening them, checking CSV, and turning columns into canonical ones."""
