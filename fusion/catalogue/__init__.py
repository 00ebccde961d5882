"""What can be asked here: connections, the models behind them, and what those cost."""
