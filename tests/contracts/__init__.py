"""One suite for every Broker, MarketData and Platform."""
