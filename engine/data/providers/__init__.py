"""Providers of live market data: one adapter each behind one port (`port.Provider`)."""
