"""What a backtest measures."""
