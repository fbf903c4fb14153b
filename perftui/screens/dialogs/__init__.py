"""Dialogs: questions that never stop the world behind them."""
