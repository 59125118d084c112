"""One suite for every Broker, MarketData and Platform."""

import pytest

pytest.register_assert_rewrite("tests.contracts.broker", "tests.contracts.market_data")
