"""Loopback servers that speak as the real brokers, chats and data sources do."""
