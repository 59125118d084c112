"""Adapters that bring market data: one source a file."""
