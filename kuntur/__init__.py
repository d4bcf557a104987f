"""The kernel that server, trainer and clients share: transactions, features, wire, tables, bundles."""

from kuntur.compiled import choose_places

choose_places()
