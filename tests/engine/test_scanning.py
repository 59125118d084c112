"""A scan: the funnel adds up, plans are sized against each other, proposals are made once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.cards.scans import funnel_card, scan_card
from engine import halts, scanning
from engine.desk import Mode
from engine.errors import DataUnavailable, NotFound
from engine.model.book import PositionStatus
from engine.model.economy import Economy, Release
from engine.model.events import EventKind
from engine.model.legs import Leg, Structure
from engine.model.market import Kind, MarketSnapshot, Source
from engine.model.status import Opinion
from engine.model.trade import ApprovalStatus, Context, Exit, Found, Needs, RiskLevel, Step, Strategy, Verdict
from tests import make
from tests.desk import World, make_world
from tests.strategies import cases

D = Decimal
NAMES = ("AAA", "BBB", "CCC", "DDD")


def find(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
    """Signals a 44 put on every name priced above 40; news is never known."""
    price = snapshot.session.close if snapshot.session else 0.0
    cheap = Step("price", "> 40", f"{price:.0f}", Verdict.PASSED if price > 40 else Verdict.FAILED)
    if not cheap.passed:
        return Found.nothing(cheap)
    news = Step("news", "good", "not covered", Verdict.NOT_CHECKED)
    option = make.put(underlying=snapshot.ticker)
    signal = make.signal(ticker=snapshot.ticker, legs=(make.leg(option),), strategy="test", rank=price)
    return Found((signal,), (cheap, news))


STRATEGY = Strategy("test", "Test", RiskLevel.LOW, None, Needs(), find, lambda *_: ())


def world(prices: dict[str, float], strategy: Strategy = STRATEGY) -> World:
    made = make_world({strategy.name: strategy}, universe=NAMES)
    for ticker, price in prices.items():
        made.market.set_snapshot(make.snapshot(ticker, price))
    return made


def test_the_funnel_adds_up_and_names_the_rule_that_removed_each() -> None:
    made = world({"AAA": 50, "BBB": 30, "CCC": 45, "DDD": 20})

    scan = scanning.run(made.desk, "test")

    assert scan.universe == 4
    assert [(line.rule, line.removed, line.left) for line in scan.funnel] == [
        ("price", 2, 2),
        ("news", 0, 2),
        ("size and limits", 0, 2),
    ]
    assert [(row.ticker, row.rule, row.value) for row in scan.rejected] == [
        ("BBB", "price", "30"),
        ("DDD", "price", "20"),
    ]
    assert scan.not_checked == ("news",)


def test_a_name_with_delayed_prices_is_for_watching_only_and_troubled_sources_are_told() -> None:
    made = world({"AAA": 50, "BBB": 45})
    seen = make.snapshot("AAA", 50, troubles=("yahoo did not answer.",))
    assert seen.spot is not None
    delayed = replace(seen, spot=replace(seen.spot, source=Source("acme", Kind.DELAYED)))
    made.market.set_snapshot(delayed)
    made.market.set_snapshot(make.snapshot("BBB", 45, troubles=("yahoo did not answer.",)))

    scan = scanning.run(made.desk, "test", ("AAA", "BBB"))

    assert [(row.ticker, row.rule, row.value) for row in scan.rejected] == [
        ("AAA", "prices fit for orders", "delayed: watchlist only")
    ]
    assert [plan.signal.ticker for plan in scan.plans] == ["BBB"]
    assert scan.plans[0].signal.against[-1] == "yahoo did not answer."


def test_a_signal_that_a_second_source_contradicts_is_no_proposal_and_one_that_nobody_confirms_says_so() -> None:
    made = world({"AAA": 50, "BBB": 45})
    made.market.opinions = {
        "AAA": Opinion(("acme and other have AAA at 50.00 and 500.00.",)),
        "BBB": Opinion(alone=("past prices", "options")),
    }

    scan = scanning.run(made.desk, "test", ("AAA", "BBB"))

    assert [(row.ticker, row.rule, row.value) for row in scan.rejected] == [
        ("AAA", "second source", "acme and other have AAA at 50.00 and 500.00.")
    ]
    assert [plan.signal.ticker for plan in scan.plans] == ["BBB"]
    assert scan.plans[0].signal.against[-1] == "One source only: past prices, options."


def test_a_delisted_name_of_the_universe_costs_itself_and_a_typed_one_ends_the_scan() -> None:
    made = world({"AAA": 50})

    scan = scanning.run(made.desk, "test")

    assert [(row.ticker, row.rule) for row in scan.rejected] == [(name, "market data") for name in NAMES[1:]]
    assert [plan.signal.ticker for plan in scan.plans] == ["AAA"]
    with pytest.raises(NotFound, match="BBB"):
        scanning.preview(made.desk, "test", ("AAA", "BBB"))


def test_signals_become_pending_proposals_best_first() -> None:
    made = world({"AAA": 45, "BBB": 50, "CCC": 30, "DDD": 30})

    scanning.run(made.desk, "test")

    with made.store.read() as work:
        pending = work.pending_approvals()
        stored = work.last_scan("test")
        kinds = [event.kind for event in work.events()]
    assert [approval.plan.signal.ticker for approval in pending] == ["BBB", "AAA"]
    assert pending[0].plan.quantity == 2
    assert (pending[0].expires_at - pending[0].created_at).total_seconds() == 300
    assert stored is not None
    assert stored.steps["CCC"][0].value == "30"
    assert kinds == [EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_REQUESTED, EventKind.SCAN_FINISHED]


def test_a_second_scan_does_not_propose_what_is_already_pending() -> None:
    made = world({"AAA": 50, "BBB": 30, "CCC": 30, "DDD": 30})
    scanning.run(made.desk, "test")

    again = scanning.run(made.desk, "test")

    assert again.plans == ()
    assert again.rejected[0].rule == "not held or proposed"


def test_each_plan_counts_the_ones_before_it_against_the_limits() -> None:
    made = world({"AAA": 50, "BBB": 49, "CCC": 48, "DDD": 47})
    desk = replace(made.desk, limits=replace(made.desk.limits, put_collateral_total=D("0.20")))

    scan = scanning.run(desk, "test")

    assert [plan.signal.ticker for plan in scan.plans] == ["AAA", "BBB"]
    assert sum(plan.collateral for plan in scan.plans) == D(17_600)


def test_a_halted_desk_scans_and_proposes_nothing() -> None:
    made = world({"AAA": 50, "BBB": 30, "CCC": 30, "DDD": 30})
    halts.halt(made.desk, "ann")

    scan = scanning.run(made.desk, "test")

    assert len(scan.plans) == 1
    with made.store.read() as work:
        assert work.pending_approvals() == ()


@pytest.mark.parametrize(
    ("shares", "options", "mode", "shown"),
    [
        (Kind.REAL, Kind.DELAYED, Mode.PAPER, "delayed"),
        (Kind.DELAYED, Kind.INDICATIVE, Mode.PAPER, "delayed"),
        (Kind.REAL, Kind.INDICATIVE, Mode.LIVE, "indicative"),
        (Kind.REAL, Kind.INDICATIVE, Mode.PAPER, ""),
    ],
)
def test_neither_shares_nor_options_may_be_of_a_kind_no_order_is_priced_on(
    shares: Kind, options: Kind, mode: Mode, shown: str
) -> None:
    made = world({})
    spot = replace(make.stock_quote(48, "AAA"), source=Source("test", shares))
    chain = replace(cases.put_chain(), source=Source("test", options))
    made.market.set_snapshot(replace(make.snapshot("AAA", 48, chain=chain), spot=spot))

    scan = scanning.preview(replace(made.desk, mode=mode), "test", ["AAA"])

    rejected = [row.value for row in scan.rejected if row.rule == "prices fit for orders"]
    assert rejected == ([f"{shown}: watchlist only"] if shown else [])


def test_after_the_close_a_scan_is_a_watchlist() -> None:
    made = world({"AAA": 50, "BBB": 30, "CCC": 30, "DDD": 30})
    late = make.snapshot("AAA", 50, asof=made.clock.advance(hours=7))
    made.market.set_snapshot(late)
    late_signal = replace(
        STRATEGY, find=lambda s, c, p: Found(tuple(replace(x, asof=s.asof) for x in find(s, c, p).signals))
    )
    desk = replace(made.desk, strategies={"test": late_signal})

    scan = scanning.run(desk, "test", ["AAA"])

    assert scan.plans == ()
    assert scan.rejected[0].rule == "session"


def test_a_name_without_data_is_in_the_funnel_with_its_reason() -> None:
    made = world({"AAA": 50})

    class Gap:
        def __getattr__(self, name: str) -> object:
            return getattr(made.market, name)

        def snapshot(self, ticker: str) -> MarketSnapshot:
            if ticker != "AAA":
                raise DataUnavailable(f"{ticker} has no bar for 2026-06-15")
            return made.market.snapshot(ticker)

    scan = scanning.run(replace(made.desk, market=Gap()), "test", ["AAA", "BBB"])  # type: ignore[arg-type]

    assert scan.rejected[0].value == "BBB has no bar for 2026-06-15"
    assert scan.funnel[0].removed == 1


def test_a_preview_leaves_no_trace() -> None:
    made = world({"AAA": 50, "BBB": 30, "CCC": 30, "DDD": 30})

    scan = scanning.preview(made.desk, "test")

    assert len(scan.plans) == 1
    with made.store.read() as work:
        assert (work.pending_approvals(), work.last_scan("test"), work.events()) == ((), None, ())


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(NotFound, match="“weel”"):
        scanning.run(world({"AAA": 50}).desk, "weel")


def test_a_strategy_is_told_the_days_of_the_economy() -> None:
    """No entry on the day of a decision: the rule reads the context, and a day nobody listed is unknown."""
    told = []

    def look(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        told.append(context.economy.on(context.today))
        return Found.nothing()

    made = world({"AAA": 50}, replace(STRATEGY, find=look))
    day = (make.TODAY,)

    scanning.preview(made.desk, "test", ("AAA",))
    scanning.preview(replace(made.desk, economy=Economy(day, day, day)), "test", ("AAA",))

    assert told == [None, tuple(Release)]


def test_a_strategy_that_chooses_its_names_is_scanned_on_those_and_knows_what_the_desk_holds() -> None:
    seen: list[Context] = []

    def look(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        seen.append(context)
        return Found.nothing(Step("look", "", snapshot.ticker))

    chosen = replace(
        STRATEGY,
        find=look,
        needs=Needs(levels=("VIX", "VIX3M"), peers=True),
        select=lambda universe, owned, params: (*(position.ticker for position in owned), universe[0]),
    )
    made = world({"AAA": 50, "BBB": 45, "XYZ": 48}, chosen)
    made.market.set_level("VIX", 17.0)
    with made.store.begin() as work:
        work.save_position(make.position(strategy="other", approval_id=None))

    scan = scanning.preview(made.desk, "test")

    assert set(scan.steps) == {"XYZ", "AAA"}
    assert [position.strategy for position in seen[0].owned] == ["other"]
    assert seen[0].held == ()
    assert {symbol: level.value for symbol, level in seen[0].levels.items()} == {"VIX": 17.0}
    assert set(seen[0].facts) == {"XYZ", "AAA"}


def test_a_strategy_that_asks_for_nothing_more_gets_nothing_more() -> None:
    made = world({"AAA": 50})
    made.market.set_level("VIX", 17.0)
    seen: list[Context] = []

    def look(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        seen.append(context)
        return Found.nothing(Step("look", "", "no"))

    scanning.preview(replace(made.desk, strategies={"test": replace(STRATEGY, find=look)}), "test", ("AAA",))

    assert (seen[0].levels, seen[0].facts) == ({}, {})


@pytest.mark.parametrize(
    ("status", "minutes", "value"),
    [
        (ApprovalStatus.REJECTED, 200, "declined today"),
        (ApprovalStatus.EXPIRED, 29, "expired 29 min ago"),
        (ApprovalStatus.APPROVED, 29, "approved 29 min ago"),
        (ApprovalStatus.EXPIRED, 30, None),
        (ApprovalStatus.APPROVED, 30, None),
    ],
)
def test_nobody_is_asked_the_same_again_at_once_and_after_a_no_not_that_day(
    status: ApprovalStatus, minutes: int, value: str | None
) -> None:
    made = world({"AAA": 50})
    (first,) = scanning.run(made.desk, "test").plans
    with made.store.begin() as work:
        (asked,) = work.pending_approvals()
        work.decide(asked.id, asked.version, status, "ann", made.desk.now())
    made.clock.set(made.desk.now() + timedelta(minutes=minutes))
    made.market.set_snapshot(make.snapshot("AAA", 50, asof=made.desk.now()))

    again = scanning.run(made.desk, "test", ("AAA",))

    refused = [(row.rule, row.value) for row in again.rejected]
    assert refused == ([] if value is None else [("asked lately", f"{asked.id} {value}")])
    assert [plan.signal.ticker for plan in again.plans] == ([first.signal.ticker] if value is None else [])


@pytest.mark.parametrize(
    ("minutes", "realised", "value"),
    [(29, -100, "closed at a loss 29 min ago"), (30, -100, None), (29, 100, None)],
)
def test_after_a_stop_the_same_name_is_not_bought_again_at_once(minutes: int, realised: int, value: str | None) -> None:
    made = world({"AAA": 50})
    item = make.put(44, underlying="AAA")
    closed = replace(
        make.position((Leg(item, 1),), strategy="test", ticker="AAA", campaign="P00001", approval_id=None),
        entry=D("1.03"), status=PositionStatus.CLOSED, legs=(), realised=D(realised),
        risk=D(103), max_loss=D(103), opened_units=1,
        opened_at=made.clock() - timedelta(hours=3), closed_at=made.clock() - timedelta(minutes=minutes),
    )  # fmt: skip
    with made.store.begin() as work:
        work.save_position(closed)

    scan = scanning.run(made.desk, "test", ("AAA",))

    refused = [(row.rule, row.value) for row in scan.rejected]
    assert refused == ([] if value is None else [("asked lately", value)])


def test_another_kind_of_trade_in_the_name_and_the_next_day_are_asked_about() -> None:
    made = world({"AAA": 50})
    scanning.run(made.desk, "test")
    with made.store.begin() as work:
        (asked,) = work.pending_approvals()
        work.decide(asked.id, asked.version, ApprovalStatus.REJECTED, "ann", made.desk.now())

    def other(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        found = find(snapshot, context, params)
        spread: dict[str, Any] = {"structure": Structure.CREDIT_SPREAD, "at_risk": 0.05}
        return replace(found, signals=tuple(replace(signal, **spread) for signal in found.signals))

    def tomorrow(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        found = find(snapshot, context, params)
        return replace(found, signals=tuple(replace(signal, asof=snapshot.asof) for signal in found.signals))

    desk = replace(made.desk, strategies={"test": replace(STRATEGY, find=other)})
    assert len(scanning.preview(desk, "test", ("AAA",)).plans) == 1

    made.clock.set(made.desk.now() + timedelta(days=1))
    made.market.set_snapshot(make.snapshot("AAA", 50, asof=made.desk.now(), today=made.desk.today))
    fresh = replace(made.desk, strategies={"test": replace(STRATEGY, find=tomorrow)})
    assert len(scanning.preview(fresh, "test", ("AAA",)).plans) == 1


def test_a_review_of_what_is_held_asks_before_anything_is_proposed_and_each_question_once() -> None:
    wish = Exit("rebalance 2026 Q3", "score 42: sell it?", ask=True)
    reviewing = replace(STRATEGY, review=lambda context, params: {held.id: wish for held in context.held})
    made = world({"AAA": 50, "XYZ": 48}, reviewing)
    with made.store.begin() as work:
        work.save_position(make.position(strategy="test", approval_id=None))

    looked = scanning.preview(made.desk, "test", ("AAA",))
    assert (looked.questions, made.events(EventKind.EXIT_OFFERED)) == ({"P00001": wish}, [])
    scanning.run(made.desk, "test", ("AAA",))
    scanning.run(made.desk, "test", ("AAA",))

    told = made.events(EventKind.EXIT_OFFERED, EventKind.APPROVAL_REQUESTED)
    assert [(event.kind, event.data["ticker"]) for event in told] == [
        (EventKind.EXIT_OFFERED, "XYZ"),
        (EventKind.APPROVAL_REQUESTED, "AAA"),
    ]
    assert told[0].data["words"] == "score 42: sell it?"


def test_names_nobody_has_a_price_of_are_told_by_name() -> None:
    chosen = replace(STRATEGY, select=lambda universe, owned, params: ("AAA", "NOPE"))
    made = world({"AAA": 50}, chosen)

    scan = scanning.run(made.desk, "test")

    assert scan is not None
    for card in (scan_card(scan, ""), funnel_card(scan, "")):
        assert "Without market data: NOPE." in card.lines


def test_a_strategy_knows_what_of_its_own_waits_for_an_answer() -> None:
    made = world({"AAA": 50, "BBB": 45})
    scanning.run(made.desk, "test", ("AAA",))
    seen: list[Context] = []

    def look(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        seen.append(context)
        return Found.nothing(Step("look", "", "no"))

    scanning.preview(replace(made.desk, strategies={"test": replace(STRATEGY, find=look)}), "test", ("BBB",))

    assert [plan.signal.ticker for plan in seen[0].waiting] == ["AAA"]
    assert (seen[0].places, seen[0].names) == (1, frozenset({"AAA"}))
