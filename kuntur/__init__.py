"""The kernel that server, trainer and clients share: transactions, features, wire, tables, bundles."""
