"""One suite for every Broker, MarketData and Platform."""

import pytest

pytest.register_assert_rewrite(
    "tests.contracts.broker",
    "tests.contracts.broker_refusals",
    "tests.contracts.broker_stops",
    "tests.contracts.broker_world",
    "tests.contracts.market_data",
)
