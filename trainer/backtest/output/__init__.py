"""What a backtest writes: document, plots, report."""
