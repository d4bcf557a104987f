"""Load generators, the transactions they send, and the histories behind them."""
