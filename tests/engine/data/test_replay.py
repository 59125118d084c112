"""What the replay market knows at an instant, and that it knows nothing later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.columns import sheet
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Bar, Chain, Dividend, Earnings, Kind, MarketSnapshot, ReportTime
from tests.engine.data import recorded
from tests.engine.data.recorded import DAYS, SESSIONS, SPLIT, TODAY
from tests.fakes import FakeClock
from tests.shared import SHARED, needs_shared

D = Decimal


@cache
def pack() -> RecordedFolder:
    return RecordedFolder.open(SHARED / "data")


def real(clock: FakeClock) -> ReplayMarket:
    return ReplayMarket(pack(), clock, SESSIONS)


def bar_of(day: date, ticker: str = "AAA") -> Bar:
    """The bar of a day as recorded; from the split on that is as traded."""
    series = recorded.folder().series[ticker]
    row = series.row(day)
    assert row is not None
    return Bar(day, *(round(float(getattr(series, name)[row]), 4) for name in ("open", "high", "low", "close")))


def test_bars_of_a_snapshot_end_yesterday_and_count_in_todays_shares():
    before, on = recorded.clock(SESSIONS.previous(SPLIT)), recorded.clock(SPLIT)
    old, new = recorded.market(before).snapshot("AAA").bars, recorded.market(on).snapshot("AAA").bars
    assert old.day[-1] == np.datetime64(SESSIONS.previous(SPLIT, 2))
    assert new.day[-1] == np.datetime64(SESSIONS.previous(SPLIT))
    assert old.close[-1] == pytest.approx(2 * new.close[-2], abs=1e-4)
    assert old.volume[-1] == pytest.approx(new.volume[-2] / 2)


def test_the_path_starts_at_the_open_and_ends_at_the_close():
    clock = recorded.clock(at="09:30")
    market, official = recorded.market(clock), bar_of(TODAY)
    assert market.snapshot("AAA").session == Bar(TODAY, official.open, official.open, official.open, official.open)
    clock.set(SESSIONS.at(TODAY, "16:00"))
    assert market.snapshot("AAA").session == official


def test_a_snapshot_is_made_once_an_instant_and_anew_at_the_next():
    clock = recorded.clock(at="10:00")
    market = recorded.market(clock)
    first = market.snapshot("AAA")
    assert market.snapshot("AAA") is first
    clock.set(SESSIONS.at(TODAY, "10:15"))
    later = market.snapshot("AAA")
    assert (first.asof, later.asof) == (SESSIONS.at(TODAY, "10:00"), SESSIONS.at(TODAY, "10:15"))
    assert later.spot != first.spot


def test_the_path_visits_the_nearer_extreme_first():
    clock = recorded.clock(at="11:40")
    market, official = recorded.market(clock), bar_of(TODAY)
    nearer = official.high if official.high - official.open <= official.open - official.low else official.low
    session = market.snapshot("AAA").session
    assert session is not None
    assert session.close == pytest.approx(nearer)
    clock.set(SESSIONS.at(TODAY, "13:50"))
    session = market.snapshot("AAA").session
    assert session is not None
    assert (session.high, session.low) == (official.high, official.low)


def test_a_bridged_session_has_no_volume():
    session = recorded.market(recorded.clock()).snapshot("AAA").session
    assert session is not None
    assert session.volume is None


def test_an_early_close_ends_the_path_at_one():
    day = date(2018, 11, 23)
    clock = recorded.clock(day, "13:00")
    snapshot = recorded.market(clock).snapshot("AAA")
    assert snapshot.session is not None
    assert snapshot.session.close == pytest.approx(2 * bar_of(day).close, abs=2e-4)
    clock.advance(hours=2)
    after = recorded.market(clock).snapshot("AAA").spot
    assert after is not None
    assert after.at == SESSIONS.close(day)


def test_shares_quote_a_cent_or_two_basis_points_around_the_path_and_say_modelled():
    clock = recorded.clock(at="16:00")
    spot = recorded.market(clock).snapshot("AAA").spot
    assert spot is not None
    assert spot.source.kind is Kind.MODELLED
    assert spot.spread == max(D("0.01"), (D(bar_of(TODAY).close) * D("0.0002")).quantize(D("0.01")))
    assert abs(float(spot.mid) - bar_of(TODAY).close) <= 0.0051
    assert (spot.bid_size, spot.ask_size) == (0, 0)


def test_before_the_bell_the_last_close_stands_with_its_age_and_options_do_not_quote():
    clock = recorded.clock(at="09:29")
    market = recorded.market(clock)
    snapshot = market.snapshot("AAA")
    assert snapshot.session is None
    assert snapshot.spot is not None
    assert snapshot.spot.at == SESSIONS.close(SESSIONS.previous(TODAY))
    assert snapshot.chain is None
    assert dict(market.quotes([Option("AAA", date(2019, 4, 18), Right.PUT, D(50))])) == {}


def test_on_a_weekend_the_last_session_stands():
    saturday = date(2019, 3, 9)
    market = recorded.market(recorded.clock(saturday))
    snapshot = market.snapshot("AAA")
    assert snapshot.today == saturday
    assert snapshot.bars.day[-1] == np.datetime64("2019-03-08")
    assert snapshot.spot is not None
    assert snapshot.spot.at == SESSIONS.close(date(2019, 3, 8))
    assert market.universe() == ("AAA", "BBB")


def test_recorded_minutes_make_the_path_where_they_are():
    minutes = sheet(
        "minutes",
        ticker=["AAA"] * 3,
        time=[datetime.fromisoformat(f"2019-03-04T{at}") for at in ("09:29", "09:30", "09:31")],
        open=[1.0, 50.0, 51.0],
        high=[1.0, 52.0, 53.0],
        low=[1.0, 49.0, 50.5],
        close=[1.0, 51.0, 52.5],
        volume=[9, 100, 200],
    )
    clock = recorded.clock(at="09:30")
    market = recorded.market(clock, recorded.folder(minutes=(minutes,)))
    official = bar_of(TODAY)
    assert market.snapshot("AAA").session == Bar(TODAY, *[official.open] * 4, 0.0)
    clock.set(SESSIONS.at(TODAY, "09:31:30"))
    assert market.snapshot("AAA").session == Bar(TODAY, official.open, 52.0, 49.0, 51.0, 100.0)
    clock.set(SESSIONS.at(TODAY, "12:00"))
    assert market.snapshot("AAA").session == Bar(TODAY, official.open, 53.0, 49.0, 52.5, 300.0)
    clock.set(SESSIONS.at(TODAY, "16:00"))
    session = market.snapshot("AAA").session
    assert session is not None
    assert session.close == official.close


def test_a_name_without_a_bar_today_is_left_out_and_the_reason_can_be_asked():
    market = recorded.market(recorded.clock(date(2019, 2, 28)))
    assert market.universe() == ("AAA",)
    with pytest.raises(
        DataUnavailable, match=r"^BBB has no bar for 2019-02-28: its bars run from 2019-03-01 to 2019-06-28\.$"
    ):
        market.snapshot("BBB")
    assert dict(market.quotes([Stock("BBB")])) == {}


def test_an_index_has_bars_but_is_not_traded():
    market = recorded.market(recorded.clock())
    assert "^VIX" not in market.universe()
    assert len(market.bars("^VIX", date(2019, 2, 1), TODAY)) == 20
    with pytest.raises(DataUnavailable, match=r"\^VIX is an index"):
        market.snapshot("^VIX")


def test_a_misspelt_ticker_is_answered_with_the_nearest():
    with pytest.raises(NotFound, match="“AAB” is not in the recorded data: did you mean AAA"):
        recorded.market(recorded.clock()).snapshot("AAB")
    with pytest.raises(NotFound, match="“AAB”"):
        ReplayMarket(recorded.folder(), recorded.clock(), SESSIONS, ("AAB",))


def test_a_universe_narrows_what_is_offered():
    market = ReplayMarket(recorded.folder(), recorded.clock(), SESSIONS, ("AAA",))
    assert market.universe() == ("AAA",)
    assert tuple(market.panel()) == ("AAA",)


def test_dividends_shown_are_past_and_on_todays_share_basis():
    before = recorded.market(recorded.clock(date(2019, 2, 1))).snapshot("AAA")
    after = recorded.market(recorded.clock(SPLIT)).snapshot("AAA")
    on_the_day = recorded.market(recorded.clock(date(2019, 3, 6))).snapshot("AAA")
    assert before.dividends is not None
    assert before.dividends[-1] == Dividend(date(2018, 12, 5), D("0.60"))
    assert after.dividends is not None
    assert after.dividends[-1] == Dividend(date(2018, 12, 5), D("0.30"))
    assert on_the_day.dividends is not None
    assert on_the_day.dividends[-1] == Dividend(date(2019, 3, 6), D("0.30"))


def test_a_name_nobody_covers_has_unknown_dividends():
    market = recorded.market(recorded.clock())
    assert market.snapshot("BBB").dividends is None
    assert market.dividend_source("BBB") is None
    source = market.dividend_source("AAA")
    assert source is not None
    assert source.kind is Kind.RECORDED


def test_reports_are_known_only_between_two_recorded_ones():
    days = [date(2018, 10, 25), date(2019, 1, 24), date(2019, 4, 25)]
    earnings = sheet("earnings", ticker=["AAA"] * 3, report_date=days, when=["pre-market"] * 3)
    clock = recorded.clock()
    market = recorded.market(clock, recorded.folder(earnings=earnings))
    assert market.snapshot("AAA").earnings == tuple(Earnings(day, ReportTime.BEFORE_OPEN) for day in days)
    assert market.snapshot("BBB").earnings is None
    clock.set(SESSIONS.at(date(2019, 4, 26), "10:00"))
    assert market.snapshot("AAA").earnings is None


def test_what_the_folder_does_not_date_is_unknown():
    snapshot = recorded.market(recorded.clock()).snapshot("AAA")
    assert (snapshot.fundamentals, snapshot.earnings, snapshot.iv_history) == (None, None, None)


def test_rates_come_from_the_curve_then_from_a_labelled_proxy():
    curve = sheet(
        "curve", **{"Time Period": ["2019-02-28", "2019-03-01", "2019-03-04"], "3month": ["0.02", "0.04", "0.9"]}
    )
    policy = sheet("policy", DATE=["2018-12-20", "2020-03-16"], PCREDIT8=["3.00", "0.25"])
    clock = recorded.clock()
    market = recorded.market(clock, recorded.folder(treasury=curve, primary_credit=policy))
    assert market.snapshot("AAA").rate == pytest.approx(0.039801, abs=1e-6)
    found = market.rate()
    assert found is not None
    assert found.source.kind is Kind.RECORDED
    clock.set(SESSIONS.at(date(2019, 3, 15), "10:00"))
    found = market.rate()
    assert found is not None
    assert found.source.kind is Kind.PROXY
    assert market.snapshot("AAA").rate == found.value == pytest.approx(0.024922, abs=1e-6)


def test_modelled_chains_say_so_and_take_yesterdays_volatility():
    market = recorded.market(recorded.clock())
    snapshot = market.snapshot("AAA")
    chain = snapshot.chain
    assert chain is not None
    assert chain.source.kind is Kind.MODELLED
    assert np.isnan(chain.open_interest).all()
    returns = np.diff(np.log(snapshot.bars.close[-31:]))
    near = np.argmin(np.abs(chain.strike / chain.spot - 1) + np.abs(chain.dte - 30) / 1000)
    assert chain.iv[near] == pytest.approx(returns.std(ddof=1) * np.sqrt(252), rel=0.05)


def test_a_name_with_less_than_thirty_returns_has_no_modelled_chain():
    assert recorded.market(recorded.clock(date(2019, 4, 12))).snapshot("BBB").chain is None
    assert recorded.market(recorded.clock(date(2019, 4, 15))).snapshot("BBB").chain is not None


def test_a_chain_is_made_once_for_an_instant():
    clock = recorded.clock()
    market = recorded.market(clock)
    first = market.snapshot("AAA").chain
    assert market.snapshot("AAA").chain is first
    clock.advance(60)
    assert market.snapshot("AAA").chain is not first


def test_modelled_chains_count_on_the_usual_dividend():
    chain = recorded.market(recorded.clock()).snapshot("AAA").chain
    assert chain is not None
    (first, amount), *_ = chain.dividends
    assert first == date(2019, 3, 6)
    assert amount == pytest.approx(0.30)


def recorded_chain(contracts: int, at: str = "16:00", **changed: Any) -> Any:
    """A chain table of AAA on TODAY: calls at 40, 41 ... quoted 1.00 at 1.10."""
    columns = {
        "underlying": ["AAA"] * contracts,
        "quote_time": [datetime.fromisoformat(f"{TODAY}T{at}")] * contracts,
        "expiry": [date(2019, 4, 18)] * contracts,
        "strike": [40.0 + step for step in range(contracts)],
        "right": ["C"] * contracts,
        "bid": [1.0] * contracts,
        "ask": [1.1] * contracts,
        "underlying_price": [50.0] * contracts,
    }
    return sheet("chains", **(columns | changed))


def test_a_recorded_chain_is_used_from_its_moment_on():
    clock = recorded.clock(at="11:59")
    market = recorded.market(clock, recorded.folder(chains=recorded_chain(25, "12:00")))
    before = market.snapshot("AAA").chain
    assert before is not None
    assert before.source.kind is Kind.MODELLED
    clock.advance(minutes=5)
    chain = market.snapshot("AAA").chain
    assert chain is not None
    assert (chain.source.kind, len(chain), chain.spot) == (Kind.RECORDED, 25, 50.0)
    assert chain.asof == SESSIONS.at(TODAY, "12:00")
    assert np.isfinite(chain.delta).any()
    clock.set(SESSIONS.at(date(2019, 3, 5), "12:00"))
    next_day = market.snapshot("AAA").chain
    assert next_day is not None
    assert next_day.source.kind is Kind.MODELLED


def test_a_few_recorded_contracts_are_quoted_but_are_no_chain():
    clock = recorded.clock(at="12:30")
    market = recorded.market(clock, recorded.folder(chains=recorded_chain(2, "12:00")))
    chain = market.snapshot("AAA").chain
    assert chain is not None
    assert chain.source.kind is Kind.MODELLED
    known, other = (Option("AAA", date(2019, 4, 18), Right.CALL, D(strike)) for strike in (40, 45))
    quotes = market.quotes([known, other])
    assert (quotes[known].bid, quotes[known].ask, quotes[known].source.kind) == (D("1"), D("1.1"), Kind.RECORDED)
    assert quotes[known].at == SESSIONS.at(TODAY, "12:00")
    assert quotes[other].source.kind is Kind.MODELLED


def test_a_recorded_row_without_bid_and_ask_is_no_quote():
    nothing = [None] * 25
    chains = recorded_chain(25, "12:00", bid=nothing, ask=nothing, iv=[0.3] * 25)
    market = recorded.market(recorded.clock(at="12:30"), recorded.folder(chains=chains))
    chain = market.chain("AAA")
    assert chain is not None
    assert chain.source.kind is Kind.RECORDED
    assert list(chain.contracts()) == []
    assert np.isfinite(chain.delta).all()
    option = Option("AAA", date(2019, 4, 18), Right.CALL, D(45))
    assert market.quotes([option])[option].source.kind is Kind.MODELLED


def test_a_chain_recorded_for_a_name_without_bars_is_shown():
    chains = recorded_chain(25, "12:00", underlying=["CCC"] * 25)
    market = recorded.market(recorded.clock(at="12:30"), recorded.folder(chains=chains))
    chain = market.chain("CCC")
    assert chain is not None
    assert chain.underlying == "CCC"


def test_options_expiring_today_have_no_quote_once_the_session_is_over():
    expiry = date(2019, 4, 18)
    clock = recorded.clock(expiry, "15:59")
    market = recorded.market(clock)
    option = Option("AAA", expiry, Right.PUT, D(500))
    assert option in market.quotes([option])
    clock.set(SESSIONS.at(expiry, "16:00"))
    assert option not in market.quotes([option])


def test_the_official_close_is_as_traded_and_unknown_before_the_bell():
    day = SESSIONS.previous(SPLIT)
    clock = recorded.clock(day, "15:59")
    market = recorded.market(clock)
    assert market.official_close("AAA", day) is None
    clock.set(SESSIONS.at(day, "16:00"))
    expected = D(f"{2 * float(recorded.folder().series['AAA'].close[DAYS.index(day)]):.4f}")
    assert market.official_close("AAA", day) == expected
    clock.set(SESSIONS.at(TODAY, "10:00"))
    assert market.official_close("AAA", day) == expected
    assert market.official_close("AAA", date(2019, 3, 3)) is None
    assert market.official_close("ZZZ", day) is None


def test_corporate_actions_are_known_from_their_day_on():
    clock = recorded.clock(SESSIONS.previous(SPLIT), "16:00")
    market = recorded.market(clock)
    assert dict(market.splits_on(SPLIT)) == {}
    assert dict(market.dividends_on(date(2018, 12, 5))) == {"AAA": D("0.60")}
    assert dict(market.dividends_on(date(2019, 3, 6))) == {}
    clock.set(SESSIONS.at(SPLIT, "09:00"))
    assert dict(market.splits_on(SPLIT)) == {"AAA": D(2)}


def test_every_trading_day_of_the_folder_is_covered():
    assert recorded.market(recorded.clock()).sessions_covered() == DAYS


def same(mine: MarketSnapshot, theirs: MarketSnapshot) -> None:
    assert (mine.spot, mine.session, mine.dividends, mine.rate) == (
        theirs.spot,
        theirs.session,
        theirs.dividends,
        theirs.rate,
    )
    for name in ("day", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(mine.bars, name), getattr(theirs.bars, name))
    ours, others = mine.chain, theirs.chain
    assert (ours is None) == (others is None)
    if ours is not None and others is not None:
        for name in Chain.COLUMNS:
            assert np.array_equal(
                getattr(ours, name), getattr(others, name), equal_nan=name not in ("expiry", "is_call")
            )


def garbage(columns: recorded.Columns, day: date, seed: int) -> recorded.Columns:
    """The same bars up to `day`; afterwards prices drawn at random."""
    rng = np.random.default_rng(seed)
    later = recorded.after(columns, day)
    low = np.exp(rng.uniform(0, 8, len(later)))
    high = low * np.exp(rng.uniform(0, 1, len(later)))
    made = {
        "low": low,
        "high": high,
        "open": rng.uniform(low, high),
        "close": rng.uniform(low, high),
        "volume": rng.uniform(0, 1e9, len(later)),
    }
    return columns | {name: np.where(later, cells, columns[name]) for name, cells in made.items()}


@settings(max_examples=20)
@given(st.sampled_from(DAYS[60:-1]), st.sampled_from(["09:00", "09:45", "12:00", "16:00"]), st.integers(0, 99))
def test_bars_of_later_days_change_nothing(day: date, at: str, seed: int):
    clock, columns = recorded.clock(day, at), recorded.bars()
    columns |= {"adj_close": columns["close"] * 0.9}
    told = recorded.market(clock, recorded.folder(columns))
    fooled = recorded.market(clock, recorded.folder(garbage(columns, day, seed)))
    assert fooled.universe() == told.universe()
    for ticker in told.universe():
        same(fooled.snapshot(ticker), told.snapshot(ticker))
    assert fooled.official_close("AAA", day) == told.official_close("AAA", day)


@settings(max_examples=10)
@given(st.sampled_from(DAYS[60:-1]))
def test_bars_of_later_days_may_be_missing_where_the_collection_is_known(day: date):
    named = recorded.bars() | {"source": np.full(len(recorded.bars()["date"]), "dieperdev", dtype=object)}
    cut = {name: cells[~recorded.after(named, day)] for name, cells in named.items()}
    clock = recorded.clock(day, "12:00")
    told, short = recorded.market(clock, recorded.folder(named)), recorded.market(clock, recorded.folder(cut))
    for ticker in told.universe():
        same(short.snapshot(ticker), told.snapshot(ticker))


@needs_shared
def test_prices_are_as_traded_on_every_recorded_chain_day_with_a_bar():
    clock = recorded.clock()
    market, checked, worst = real(clock), 0, 0.0
    for (ticker, day), moments in pack().chains.moments.items():
        series = pack().series.get(ticker)
        if series is None or series.row(day) is None:
            continue
        clock.set(SESSIONS.close(day) + timedelta(minutes=1))
        close = market.official_close(ticker, day)
        assert close is not None
        for moment in moments:
            quoted = float(pack().chains.columns["underlying_price"][moment.rows][0])
            worst = max(worst, abs(float(close) / quoted - 1))
            checked += 1
    assert checked == 255
    assert worst < 0.02


@needs_shared
def test_apple_through_its_seven_for_one_split():
    clock = recorded.clock(date(2014, 6, 6), "16:00")
    market = real(clock)
    before = market.snapshot("AAPL")
    clock.set(SESSIONS.at(date(2014, 6, 9), "16:00"))
    after = market.snapshot("AAPL")
    assert before.spot is not None
    assert after.spot is not None
    assert before.session is not None
    assert (before.session.close, after.bars.close[-1]) == (645.57, pytest.approx(645.57 / 7, abs=1e-4))
    assert dict(market.splits_on(date(2014, 6, 9))) == {"AAPL": D(7)}
    for snapshot, contracts in ((before, 2195), (after, 1982)):
        assert snapshot.chain is not None
        assert (snapshot.chain.source.kind, len(snapshot.chain)) == (Kind.RECORDED, contracts)


@needs_shared
def test_dividend_yields_are_right_on_both_sides_of_a_split():
    clock = recorded.clock(date(2014, 6, 6), "16:00")
    market = real(clock)
    yields = []
    for day in (date(2014, 6, 6), date(2014, 6, 9)):
        clock.set(SESSIONS.at(day, "16:00"))
        snapshot = market.snapshot("AAPL")
        assert snapshot.dividends is not None
        assert snapshot.spot is not None
        yields.append(float(4 * snapshot.dividends[-1].amount / snapshot.spot.mid))
    assert yields == [pytest.approx(4 * 3.29 / 645.57, rel=1e-3), pytest.approx(4 * 0.47 / 93.70, rel=1e-3)]


@needs_shared
def test_an_end_of_day_chain_of_a_short_session_is_there_at_its_close():
    clock = recorded.clock(date(2015, 12, 24), "12:59")
    market = real(clock)
    before = market.chain("GOOG")
    clock.advance(60)
    chain = market.chain("GOOG")
    assert before is not None
    assert chain is not None
    assert (before.source.kind, chain.source.kind) == (Kind.MODELLED, Kind.RECORDED)
    assert chain.asof == datetime(2015, 12, 24, 18, tzinfo=UTC)


@needs_shared
def test_a_chain_recorded_after_the_last_bar_is_shown():
    market = real(recorded.clock(date(2026, 5, 15), "16:30"))
    chain = market.chain("IBM")
    assert chain is not None
    assert (len(chain), chain.spot) == (2064, 219.30)
    with pytest.raises(DataUnavailable, match="IBM has no bar for 2026-05-15"):
        market.snapshot("IBM")


@needs_shared
def test_a_recorded_snapshot_reaches_two_years_back_and_the_panel_as_far_as_the_rules_look():
    market = real(recorded.clock(date(2019, 3, 4)))
    assert len(market.snapshot("KO").bars) == 560
    assert len(market.panel()["KO"]) == 400
