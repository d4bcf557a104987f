"""What was asked and what was answered, of entries of all kinds: one value a request."""

from kuntur.journal.exchanges.pairing import Exchange, read_exchanges

__all__ = ["Exchange", "read_exchanges"]
