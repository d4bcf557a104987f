"""The fields of transactions and outcomes, each declared once.

`schema` has them as columns of a table, by Polars, and is therefore not for the server; all else here is.
"""
