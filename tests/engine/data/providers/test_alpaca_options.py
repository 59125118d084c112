"""Alpaca's options through the adapter: whole chains page by page, contracts, quotes and bars (generated answers)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine import pricing
from engine.data.chain_build import Market, Spot, build
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.alpaca_option_columns import raw_chain
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, NotOffered
from engine.data.term_rates import TermRates
from engine.errors import DataInvalid, NotFound
from engine.model.instruments import Option, Right, Style, option
from engine.model.market import Kind, Source
from engine.sessions import Sessions
from tests.contracts.provider import QUICK
from tests.shared import needs_shared
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld, recorded, sample
from tests.standins.alpaca_option_data import OptionWorld, deliverable, option_bar
from tests.standins.provider_server import Answer, ProviderServer, Query, Trouble, serving

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
"""A Monday, 11:00 in New York, after the half-day of Friday the 27th."""
MONTHLY, LEAPS = date(2026, 12, 18), date(2028, 12, 15)
STRIKES = (90.0, 95.0, 100.0, 105.0, 110.0)
CALL = Option("XYZ", MONTHLY, Right.CALL, Decimal(100))
ALPACA = Source("alpaca")


@pytest.fixture
def options() -> OptionWorld:
    made = OptionWorld(NOW)
    for expiry in (date(2026, 12, 4), MONTHLY, LEAPS):
        made.list("XYZ", expiry, STRIKES)
    return made


@pytest.fixture
def server(options: OptionWorld) -> Iterator[AlpacaDataServer]:
    world = AlpacaWorld(NOW)
    for ticker in ("XYZ", "BRK.B", "BARE"):
        world.list(ticker, sessions=1)
    with serving(AlpacaDataServer(world, options.routes())) as running:
        assert isinstance(running, AlpacaDataServer)
        yield running


@pytest.fixture
def alpaca(server: AlpacaDataServer) -> Iterator[AlpacaData]:
    provider = adapter(server)
    yield provider
    provider.close()
    assert server.wrong == []


def adapter(server: ProviderServer, now: datetime = NOW, feed: str = "") -> AlpacaData:
    client = AlpacaClient("key", "secret", lambda: now, data_url=server.url, trading_url=server.url, timeouts=QUICK)
    return AlpacaData(client, lambda: now, option_feed=feed, tick=lambda: now.timestamp())


def asked(server: AlpacaDataServer, path: str) -> list[dict[str, str]]:
    return [dict(each.query) for each in server.asked if each.path.startswith(path)]


# Chains


def test_a_chain_has_every_contract_with_sides_sizes_time_and_the_providers_own_numbers(alpaca: AlpacaData):
    chain = alpaca.chain("XYZ")
    row = [option(s).symbol for s in symbols(chain)].index(CALL.symbol)
    assert len(chain) == 30
    assert chain.source == ALPACA
    assert (chain.bid_size[row], chain.ask_size[row], chain.iv[row]) == (11, 12, 0.25)
    assert chain.ask[row] - chain.bid[row] == pytest.approx(0.04)
    assert chain.quoted_at[row] == np.datetime64("2026-11-30T16:00:00.000000")
    assert np.isfinite([chain.delta, chain.gamma, chain.theta, chain.vega, chain.rho]).all()
    assert (chain.volume[row], np.isnan(chain.open_interest).all()) == (24, True)


def symbols(chain: Any) -> list[str]:
    rows = zip(chain.root, chain.expiry, chain.strike, chain.is_call, strict=True)
    return [
        Option("XYZ", day.astype(object), Right.CALL if up else Right.PUT, Decimal(str(strike)), root).symbol
        for root, day, strike, up in rows
    ]


def test_a_chain_of_three_pages_is_whole(alpaca: AlpacaData, server: AlpacaDataServer, options: OptionWorld):
    options.page = 10
    assert len(set(symbols(alpaca.chain("XYZ")))) == 30
    questions = asked(server, "/v1beta1/options/snapshots/XYZ")
    assert [question.get("page_token") for question in questions] == [None, "MTA=", "MjA="]
    assert {(question["limit"], question["feed"]) for question in questions} == {("1000", "opra")}


def test_pages_without_an_end_are_refused(alpaca: AlpacaData, server: AlpacaDataServer, options: OptionWorld):
    options.endless = True
    with pytest.raises(DataInvalid, match=r"next_page_token"):
        alpaca.chain("XYZ")
    assert len(asked(server, "/v1beta1/options/snapshots/XYZ")) <= 101


def test_a_token_that_comes_back_is_refused(alpaca: AlpacaData, server: AlpacaDataServer):
    server.fail(Trouble(200, {"snapshots": {}, "next_page_token": "again"}, path="/v1beta1/options/snapshots"))
    with pytest.raises(DataInvalid, match=r"next_page_token = 'again'"):
        alpaca.chain("XYZ")


def test_a_page_that_repeats_adds_no_contract_twice(options: OptionWorld):
    first = dict(list(options.snapshots.items())[:20])
    tokens: list[str | None] = ["next", None]

    def repeating(query: Query, underlying: str) -> Answer:
        return 200, {"snapshots": first, "next_page_token": tokens.pop(0)}

    path = "/v1beta1/options/snapshots/(?P<underlying>[A-Z.]+)"
    with serving(ProviderServer({path: repeating})) as other:
        assert len(adapter(other).chain("XYZ")) == 20
    assert tokens == []


def test_without_opra_the_chain_is_indicative_and_says_so(
    alpaca: AlpacaData, server: AlpacaDataServer, options: OptionWorld
):
    options.feeds = {"indicative"}
    assert alpaca.chain("XYZ").source == Source("alpaca", Kind.INDICATIVE)
    assert alpaca.offers[Offer.CHAIN] is alpaca.offers[Offer.OPTION_QUOTES] is Kind.INDICATIVE
    alpaca.chain("XYZ")
    assert [each["feed"] for each in asked(server, "/v1beta1/options/snapshots")] == [
        "opra",
        "indicative",
        "indicative",
    ]


def test_a_configured_feed_is_the_only_one(server: AlpacaDataServer, options: OptionWorld):
    options.feeds = {"indicative"}
    with pytest.raises(NotEntitled, match="OPRA agreement"):
        adapter(server, feed="opra").chain("XYZ")
    assert adapter(server, feed="indicative").chain("XYZ").source.kind is Kind.INDICATIVE


def test_a_listed_name_without_options_has_an_empty_chain_and_an_unknown_one_is_not_found(alpaca: AlpacaData):
    assert len(alpaca.chain("BARE")) == len(alpaca.listings("BARE")) == 0
    for ask in (alpaca.chain, alpaca.listings):
        with pytest.raises(NotFound, match="NOPE"):
            ask("NOPE")


@pytest.mark.parametrize("index", ["SPX", "XSP", "VIX"])
def test_an_index_without_listed_options_is_not_offered(alpaca: AlpacaData, index: str):
    for ask in (alpaca.chain, alpaca.listings):
        with pytest.raises(NotOffered, match=f"alpaca lists no options on {index} under these keys"):
            ask(index)


def test_both_classes_of_an_index_come_with_its_chain_where_they_are_listed(alpaca: AlpacaData, options: OptionWorld):
    options.list("SPX", MONTHLY, STRIKES, root="SPX")
    options.list("SPX", MONTHLY, STRIKES, root="SPXW")
    options.list("XSP", MONTHLY, STRIKES)
    chain, listed = alpaca.chain("SPX"), alpaca.listings("SPX")
    assert sorted(set(chain.root)) == sorted(set(listed.root)) == ["SPX", "SPXW"]
    assert chain.style is Style.EUROPEAN
    assert set(listed.style) == {Style.EUROPEAN}
    assert not listed.is_adjusted.any()
    assert set(alpaca.chain("XSP").root) == {"XSP"}


def read(*snapshots: object, now: datetime = NOW) -> Any:
    names = [f"XYZ261218C{100 + row:05d}000" for row in range(len(snapshots))]
    return raw_chain("XYZ", dict(zip(names, snapshots, strict=True)), ALPACA, now)


QUOTE = {"t": "2026-11-30T15:59:59.5Z", "bx": "C", "bp": 1.5, "bs": 1, "ax": "N", "ap": 1.7, "as": 2, "c": "A"}


def test_what_a_snapshot_leaves_out_is_not_a_number():
    chain = read({"latestQuote": QUOTE}, {}, {"latestTrade": None, "greeks": None}, None)
    assert chain.bid.tolist()[:1] == [1.5]
    assert np.isnan(chain.bid[1:]).all()
    assert np.isnan([chain.iv, chain.delta, chain.last, chain.volume]).all()
    assert np.isnat(chain.quoted_at).tolist() == [False, True, True, True]


def test_a_bid_of_zero_stays_zero_and_a_crossed_quote_stays_crossed():
    chain = read({"latestQuote": {**QUOTE, "bp": 0}}, {"latestQuote": {**QUOTE, "bp": 2.5}})
    assert chain.bid.tolist() == [0.0, 2.5]
    assert chain.ask.tolist() == [1.7, 1.7]


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-11-30T15:59:59.650613789Z", "2026-11-30T15:59:59.650613"),
        ("2026-11-30T15:59:59.5Z", "2026-11-30T15:59:59.5"),
        ("2026-11-30T15:59:59Z", "2026-11-30T15:59:59"),
        ("2026-11-30T10:59:59-05:00", "2026-11-30T15:59:59"),
        ("yesterday", "NaT"),
        ("2026-11-30T15:59:59", "NaT"),
        (None, "NaT"),
    ],
)
def test_the_time_of_a_quote_is_read_or_not_known(written: str | None, time: str):
    quoted_at = read({"latestQuote": QUOTE}, {"latestQuote": {**QUOTE, "t": written}}).quoted_at
    assert quoted_at[0] == np.datetime64("2026-11-30T15:59:59.5")
    assert str(quoted_at[1]) == str(np.datetime64(time, "us"))


def test_volume_is_of_today_alone():
    bars = [{"t": start, "v": 7} for start in ("2026-11-30T05:00:00Z", "2026-11-27T05:00:00Z")]
    assert read(*({"dailyBar": bar} for bar in bars)).volume[:1].tolist() == [7.0]
    assert np.isnan(read(*({"dailyBar": bar} for bar in bars)).volume[1])


@pytest.mark.parametrize(
    "bad",
    [{"latestQuote": {**QUOTE, "bp": "cheap"}}, {"latestQuote": [1]}, {"greeks": {"delta": "x"}}, 7, "x", [1, 2]],
)
def test_a_snapshot_that_makes_no_sense_costs_itself_alone(bad: object):
    chain = read({"latestQuote": QUOTE}, bad, {"latestQuote": QUOTE})
    assert chain.strike.tolist() == [100.0, 102.0]
    assert chain.bid.tolist() == [1.5, 1.5]


def test_when_no_snapshot_makes_sense_the_refusal_names_field_and_value():
    with pytest.raises(DataInvalid, match=r"alpaca sent bp = 'cheap', which makes no sense"):
        read({"latestQuote": {**QUOTE, "bp": "cheap"}})
    with pytest.raises(DataInvalid, match=r"alpaca sent symbol = 'NONSENSE'"):
        raw_chain("XYZ", {"NONSENSE": {}}, ALPACA, NOW)


def test_a_wrong_symbol_costs_itself_alone():
    chain = raw_chain("XYZ", {"XYZ261218C00100000": {}, "XYZ263518C00100000": {}}, ALPACA, NOW)
    assert chain.strike.tolist() == [100.0]


def test_a_number_that_is_none_never_becomes_a_price():
    chain = read({"latestQuote": {**QUOTE, "bp": float("nan"), "ap": float("inf")}})
    assert np.isnan(chain.bid[0])
    assert not np.isfinite(chain.ask[0])


# Contracts


def test_all_contracts_are_asked_for_and_not_those_of_the_coming_weekend_alone(
    alpaca: AlpacaData, server: AlpacaDataServer
):
    found = alpaca.listings("XYZ")
    assert len(found) == 30
    assert found.expiry.max() == np.datetime64(LEAPS)
    (question,) = asked(server, "/v2/options/contracts")
    assert (question["limit"], question["expiration_date_gte"]) == ("10000", "2026-11-30")
    assert question["expiration_date_lte"] > "2032"


def test_contracts_of_three_pages_are_whole(alpaca: AlpacaData, options: OptionWorld):
    options.page = 10
    assert len(alpaca.listings("XYZ")) == 30


def test_open_interest_comes_with_its_day_and_is_not_zero_where_it_is_not_given(
    alpaca: AlpacaData, options: OptionWorld
):
    del options.contracts[CALL.symbol]["open_interest"], options.contracts[CALL.symbol]["open_interest_date"]
    found = alpaca.listings("XYZ")
    row = symbols(found).index(CALL.symbol)
    assert np.isnan(found.open_interest[row])
    assert np.isnat(found.counted_on[row])
    assert found.open_interest[0] == 100
    assert found.counted_on[0] == np.datetime64("2026-11-29")
    assert (found.multiplier[0], found.is_penny[0], found.style[0]) == (100, 1.0, Style.AMERICAN)


@pytest.mark.parametrize(
    "change",
    [
        {"multiplier": "10"},
        {"size": "133"},
        {"deliverables": [deliverable("XYZ"), deliverable("USD", "12.5", "cash")]},
        {"deliverables": [deliverable("XYZ", "104")]},
        {"deliverables": [deliverable("ABC")]},
        {"deliverables": [deliverable("XYZ", None)]},
        {"deliverables": []},
    ],
)
def test_a_contract_that_does_not_deliver_a_hundred_shares_is_adjusted(
    alpaca: AlpacaData, options: OptionWorld, change: dict[str, object], server: AlpacaDataServer
):
    options.contracts[CALL.symbol] |= change
    found = alpaca.listings("XYZ")
    server.wrong.clear()  # an amount of null is documented in words and not in the schema
    assert found.is_adjusted[symbols(found).index(CALL.symbol)]
    assert found.is_adjusted.sum() == 1


def test_a_root_with_a_number_is_adjusted(alpaca: AlpacaData, options: OptionWorld):
    options.list("XYZ", MONTHLY, (100.0,), root="XYZ1")
    found = alpaca.listings("XYZ")
    assert set(found.root[found.is_adjusted]) == {"XYZ1"}


@pytest.mark.parametrize("change", [{"tradable": False}, {"status": "inactive"}])
def test_what_cannot_be_traded_is_not_listed(alpaca: AlpacaData, options: OptionWorld, change: dict[str, object]):
    options.contracts[CALL.symbol] |= change
    assert CALL.symbol not in symbols(alpaca.listings("XYZ"))


def test_a_contract_that_makes_no_sense_costs_itself_alone(
    alpaca: AlpacaData, options: OptionWorld, server: AlpacaDataServer
):
    options.contracts[CALL.symbol]["tradable"] = "maybe"
    assert len(alpaca.listings("XYZ")) == 29
    server.wrong.clear()  # the answer is wrong on purpose


def test_expired_contracts_are_asked_for_by_their_ranges_and_adjusted_ones_left_out(
    alpaca: AlpacaData, options: OptionWorld, server: AlpacaDataServer
):
    gone = options.list("XYZ", date(2026, 11, 20), (95.0, 100.0, 105.0))
    for each in gone:
        options.contracts[each.symbol] |= {"status": "inactive", "tradable": False}
    options.contracts[gone[0].symbol]["size"] = "150"
    before = len(server.asked)

    found = alpaca.past_listings("XYZ", (date(2026, 11, 1), MONTHLY), (95.0, 100.0))

    assert set(found) >= {each for each in gone[1:] if each.strike <= 100}
    assert gone[0] not in found
    assert {each.expiry for each in found} == {date(2026, 11, 20), date(2026, 12, 4), MONTHLY}
    assert {each.strike for each in found} == {Decimal(95), Decimal(100)}
    questions = [dict(each.query) for each in server.asked[before:]]
    assert [(each["status"], each["strike_price_lte"]) for each in questions] == [
        ("inactive", "100.0"),
        ("active", "100.0"),
    ]


# Quotes and bars of contracts


def test_quotes_of_contracts_are_asked_by_the_hundred(
    alpaca: AlpacaData, server: AlpacaDataServer, options: OptionWorld
):
    wanted = options.list("XYZ", date(2027, 6, 18), [float(strike) for strike in range(50, 155)])
    found = alpaca.option_quotes([*wanted, Option("XYZ", MONTHLY, Right.CALL, Decimal(777))])
    assert set(found) == set(wanted)
    assert [len(each["symbols"].split(",")) for each in asked(server, "/v1beta1/options/quotes")] == [100, 100, 11]
    one = found[wanted[100]]
    assert (one.instrument, one.at, one.source, one.bid_size, one.ask_size) == (wanted[100], NOW, ALPACA, 11, 12)


def test_a_contract_nobody_bids_for_has_a_quote_and_one_nobody_offers_has_none(
    alpaca: AlpacaData, options: OptionWorld
):
    other = Option("XYZ", MONTHLY, Right.PUT, Decimal(100))
    options.snapshots[CALL.symbol]["latestQuote"] |= {"bp": 0, "bs": 0}
    options.snapshots[other.symbol]["latestQuote"] |= {"ap": 0, "as": 0}
    found = alpaca.option_quotes([CALL, other])
    assert set(found) == {CALL}
    assert found[CALL].bid == 0
    assert not found[CALL].is_two_sided


def test_bars_of_contracts_are_of_sessions_that_are_over(alpaca: AlpacaData, options: OptionWorld):
    days = [date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)]
    options.bars[CALL.symbol] = [option_bar(day, price) for day, price in zip(days, (2.5, 2.6, 2.7), strict=True)]
    found = alpaca.option_bars([CALL, option("XYZ261218P00100000")], date(2026, 11, 1), date(2026, 11, 30))
    assert set(found) == {CALL}
    assert found[CALL].day.tolist() == days[:2]
    assert (found[CALL].close.tolist(), found[CALL].volume.tolist()) == ([2.5, 2.6], [24.0, 24.0])
    assert found[CALL].ticker == CALL.symbol


def test_bars_of_days_to_come_are_not_asked_for(alpaca: AlpacaData, server: AlpacaDataServer):
    assert alpaca.option_bars([CALL], date(2026, 12, 1), date(2026, 12, 5)) == {}
    assert asked(server, "/v1beta1/options/bars") == []


# The whole way


def test_the_desks_chain_is_built_from_alpacas_answers(alpaca: AlpacaData):
    raw, listed = alpaca.chain("XYZ"), alpaca.listings("XYZ")
    rates = TermRates(date(2026, 11, 30), (0.25,), (0.04,), ALPACA)
    done = build(raw, Market(NOW, Sessions(), Spot(100.0, NOW, ALPACA), rates, ()), listed)
    assert len(done.chain) == 30
    assert np.isfinite(done.chain.open_interest).all()
    known = np.isfinite(done.chain.iv)
    assert known.sum() >= 28
    assert done.comparison is not None
    assert done.comparison.iv_median < 0.05
    assert done.tally.silent == done.tally.unlisted == 0


# Recorded answers


def at_the_time(name: str, path: str, now: datetime, listed: str = "AAPL") -> Any:
    return serving(recorded(f"historical_option_data/{name}", path=path, listed=[listed]))


@needs_shared
def test_a_recorded_chain():
    now = datetime(2024, 4, 25, 20, 0, 5, tzinfo=UTC)
    with at_the_time("test_get_option_chain", "/v1beta1/options/snapshots/AAPL", now) as server:
        chain = adapter(server, now).chain("AAPL")
    assert symbols(chain) == ["AAPL240503P00155000"]
    assert (chain.bid[0], chain.ask[0], chain.bid_size[0], chain.last[0]) == (0.32, 0.35, 73, 0.34)
    assert chain.quoted_at[0] == np.datetime64("2024-04-25T20:00:00.259610")
    assert chain.iv[0] == pytest.approx(0.458, abs=1e-3)


@needs_shared
def test_recorded_greeks_are_per_day_per_point_and_per_percent():
    """AAPL closed at 169.89: the recorded Greeks follow from the recorded volatility in our units.

    With a clock of 7.05 days where the calendar counts 8: volatilities of the last weeks are not comparable.
    """
    body = sample("historical_option_data/test_get_option_chain")["snapshots"]["AAPL240503P00155000"]
    found = pricing.greeks(169.89, 155.0, 7.05 / 365, 0.053, body["impliedVolatility"], False)
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        assert float(getattr(found, name)[0]) == pytest.approx(body["greeks"][name], rel=0.04), name


@needs_shared
def test_a_recorded_quote_and_recorded_contracts():
    now = datetime(2024, 1, 24, 14, 3, tzinfo=UTC)
    wanted = option("AAPL240126P00050000")
    with at_the_time("test_get_latest_quote", "/v1beta1/options/quotes/latest", now) as server:
        quote = adapter(server, now).option_quotes([wanted])[wanted]
    assert (quote.bid, quote.ask, quote.ask_size) == (Decimal("0.05"), Decimal("0.06"), 1593)
    assert quote.at == datetime(2024, 1, 24, 14, 2, 43, 651613, tzinfo=UTC)
    with serving(recorded("option_routes/test_get_option_contracts", path="/v2/options/contracts")) as server:
        listed = adapter(server, datetime(2023, 11, 1, 15, tzinfo=UTC)).listings("AAPL")
    assert (listed.open_interest[0], str(listed.counted_on[0]), listed.root[0]) == (0.0, "2023-11-03", "AAPL")
    assert np.isnan([listed.multiplier[0], listed.is_penny[0]]).all()
    assert not listed.is_adjusted[0]


@needs_shared
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("test_get_snapshot_multi_empty_response", "/v1beta1/options/snapshots/AAPL"),
        ("test_get_latest_quote_multi_empty_response", "/v1beta1/options/quotes/latest"),
        ("test_get_bars_multi_empty_response", "/v1beta1/options/bars"),
    ],
)
def test_recorded_empty_answers_are_empty(name: str, path: str):
    with at_the_time(name, path, NOW) as server:
        provider = adapter(server)
        if path.endswith("AAPL"):
            assert len(provider.chain("AAPL")) == 0
        elif path.endswith("latest"):
            assert provider.option_quotes([CALL]) == {}
        else:
            assert provider.option_bars([CALL], date(2026, 11, 1), date(2026, 11, 27)) == {}


@needs_shared
def test_recorded_hourly_bars_are_no_days():
    wanted = option("SPY240426C00555000")
    names = [f"historical_option_data/{name}" for name in ("test_get_bars", "test_get_bars_multi_empty_response")]
    with (
        serving(recorded(*names, path="/v1beta1/options/bars")) as server,
        pytest.raises(DataInvalid, match="t of a daily bar"),
    ):
        adapter(server).option_bars([wanted], date(2024, 3, 1), date(2024, 3, 20))
