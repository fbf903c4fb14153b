"""Time and truth: topics, pollers, history, the ledger and the one door to action."""
