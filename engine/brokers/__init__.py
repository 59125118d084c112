"""Adapters that send orders: one broker a file."""
