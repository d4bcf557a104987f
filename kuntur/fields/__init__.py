"""The fields of a transaction as columns: names, types, and which of them are required."""
