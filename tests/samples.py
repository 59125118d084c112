"""One card of each kind as the desk draws it, by name: for the pinned texts of each platform and for the pictures.

Every sample has a desk of its own, so that none depends on the order in which they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from alerts.jobs import Job
from alerts.schedules import AtClock
from bot.announce import card_for, told_digest
from bot.cards.alerts import alert_card, list_card
from bot.message import Card
from bot.notices import notice
from bot.personal import compact
from bot.proposal import Story, proposal_card
from engine import agenda, digests, orders, panic, scanning
from engine.errors import ConfigError
from engine.model.alerts import Alert, AlertState
from engine.model.book import Posting, PostingKind
from engine.model.digests import Span
from engine.model.events import Event, EventKind, Severity
from engine.model.legs import Structure
from engine.model.market import Bars, Dividend, Earnings, Greeks, ReportTime
from engine.model.news import Headline
from engine.model.records import EquityDay, StrategyDay
from engine.model.trade import Approval, ApprovalStatus
from engine.reckoning import AFTER_CLOSE
from engine.sessions import Sessions
from tests import alerted, make, told
from tests.bot.rooms import Visit, visit
from tests.desk import Fault, propose, quote_all
from tests.engine.exit_cases import calls, look
from tests.engine.own_books import two_weeks
from tests.jobs import jobs_of
from tests.rolling import open_market, short_put
from tests.strategies import cases
from tests.watched import watched

D = Decimal
LIVE = "LIVE 123456789"


PLAN = make.plan(make.signal(outlook=make.outlook(greeks=Greeks(0.2392, -0.0454, 0.0289, -0.0461))))
"""Two 44 puts with every figure known."""


def _unit() -> Approval:
    return make.approval(PLAN)


def _drawn(approval: Approval, banner: str = "PAPER", **more: object) -> Card:
    return proposal_card(Story(approval, **more), make.NOW, banner)  # type: ignore[arg-type]


def _spread() -> Card:
    legs = (make.leg(make.put(46)), make.leg(make.put(44), 1))
    unit = make.outlook(max_loss=D(160), max_gain=D(40), collateral=D(200), breakevens=(D("45.60"),))
    signal = make.signal(
        strategy="spx_credit_spreads", legs=legs, limit=D("-0.40"), structure=Structure.CREDIT_SPREAD, outlook=unit
    )
    return _drawn(make.approval(make.plan(signal, quantity=12)))


def _moved() -> Card:
    note = "The price moved -0.05 to 0.98: approve at the new price?"
    return _drawn(replace(_unit(), version=2, note=note))


def _blocked() -> Card:
    note = "total risk would be 31.0 %, more than 30.0 %"
    return _drawn(replace(_unit(), status=ApprovalStatus.BLOCKED, decided_by="ann", note=note))


def _live() -> Card:
    return _drawn(_unit(), LIVE)


def _scanned() -> Visit:
    """The wheel's example, proposed by a scan, with other strikes and expiries listed too."""
    desk = visit()
    desk.world.market.set_snapshot(cases.wheel_name())
    scanning.run(desk.world.desk, "wheel", ["XYZ"])
    return desk


def _key(desk: Visit) -> str:
    with desk.world.store.read() as work:
        (approval,) = work.pending_approvals()
    return approval.key


def _of_the_scan(line: str) -> Card:
    """The answer to a line or a button's action about the scanned proposal; `{key}` is its id and version."""
    desk = _scanned()
    key = _key(desk)
    asked = line.format(key=key, id=key.partition(".")[0])
    return desk.card(asked) if asked.startswith("/") else desk.card(action=asked)


def _held() -> Visit:
    """Two 44 puts sold at 1.03, now worth 0.80, and 24 closes behind the desk, all of them made by the wheel."""
    desk = visit()
    closes = _equity(24)
    with desk.world.store.begin() as work:
        for day, equity in zip(make.weekdays(24), closes, strict=True):
            at, zero, made = make.NOW - (make.TODAY - day), D(0), equity - 100_000
            work.add_equity(EquityDay(day, at, equity, equity, made, zero, zero, zero, zero, zero))
            work.add_strategy_day(StrategyDay(day, "wheel", made))
        lost = closes[-1] - 100_000
        at = make.NOW - timedelta(days=40)
        work.add_postings((Posting("before", PostingKind.TRADE, at, lost, lost, strategy="wheel"),))
    propose(desk.world, plan=PLAN)
    desk.card(action="approve:A00001.1")
    desk.world.broker.fill("A00001.1.1")
    desk.world.clock.advance(seconds=1)
    quote_all(desk.world)
    orders.reconcile(desk.world.desk)
    desk.world.clock.advance(hours=3)
    quote_all(desk.world, "0.75", "0.85", "48.60")
    return desk


def _of_the_measured(line: str) -> Card:
    """The answer of a desk with a quarter of a year of closes, SPY beside it and a strategy that has just begun."""
    desk = visit()
    days = make.weekdays(70)
    with desk.world.store.begin() as work:
        for number, (day, equity) in enumerate(zip(days, _equity(70), strict=True)):
            at, zero, made = make.NOW - (make.TODAY - day), D(0), equity - 100_000
            work.add_equity(EquityDay(day, at, equity, equity, made, zero, zero, D(2), zero, zero, rate=0.0375))
            work.add_strategy_day(StrategyDay(day, "wheel", made - max(number - 58, 0), zero, zero, zero))
            work.add_strategy_day(StrategyDay(day, "wsb_dip", D(max(number - 58, 0)), zero, zero, zero))
    desk.world.market.set_snapshot(make.snapshot("SPY", bars=_index(make.weekdays(71))))
    return desk.card(line)


def _index(days: tuple[date, ...]) -> Bars:
    """A fund that moves with `_equity`, and by itself."""
    steps = np.arange(len(days))
    close = 400 + 0.3 * steps + 3 * np.sin(steps / 2.3 + 0.4)
    return Bars("SPY", np.array(days, "datetime64[D]"), close, close, close, close, close, make.SOURCE)


def _equity(count: int) -> tuple[Decimal, ...]:
    """A curve that rises and falls: closes around 100,000 dollars."""
    steps = np.arange(count)
    curve = 98_800 + 50 * steps + 260 * np.sin(steps / 2.3)
    return tuple(D(f"{value:.2f}") for value in curve)


def _position_id(desk: Visit) -> str:
    with desk.world.store.read() as work:
        return work.open_positions()[0].id


def _of_the_holder(line: str) -> Card:
    desk = _held()
    return desk.card(line.format(position=_position_id(desk)))


def several() -> Visit:
    """Two short puts, one of them in the money, on a name that pays in ten days, and shares of one nobody knows much
    of; a year of prices of SPY and of the first."""
    desk = visit()
    market = np.random.default_rng(6).normal(0, 0.01, 261)
    name = 1.3 * market + np.random.default_rng(7).normal(0, 0.008, 261)
    days = Sessions().between(Sessions().previous(make.TODAY, 261), Sessions().previous(make.TODAY))
    walk, fund = np.exp(np.cumsum(name)), np.exp(np.cumsum(market))
    rows = make.rows("44: 1.03 / 0.98 / 1.08 / -0.24; 50: 3.75 / 3.65 / 3.85 / -0.57", {44: 0.46, 50: 0.45})
    known = make.snapshot(
        bars=make.bars(48 * walk / walk[-1], days=days),
        chain=make.chain(puts=rows),
        dividends=(Dividend(make.TODAY + timedelta(days=10), D("0.30")),),
        earnings=(Earnings(make.TODAY + timedelta(days=8), ReportTime.AFTER_CLOSE, True),),
    )
    desk.world.market.set_snapshot(known)
    desk.world.market.set_bars(make.bars(600 * fund / fund[-1], "SPY", days=days))
    desk.world.market.set_quote(make.share("NEW"), "19.99", "20.01")
    held = (
        ("P00001", make.put(44), -2, "1.03", Structure.SHORT_PUT),
        ("P00002", make.put(50), -1, "3.10", Structure.SHORT_PUT),
        ("P00003", make.share("NEW"), 100, "21.50", Structure.SHARES),
    )
    with desk.world.store.begin() as work:
        for id, what, quantity, price, structure in held:
            unit = (make.leg(what, 1 if quantity > 0 else -1),)
            ticker, count = what.underlying, abs(quantity)
            secured = D(0) if structure is Structure.SHARES else D(4700) * count
            position = make.position(
                unit, (make.held(what, quantity, price),), id=id, campaign=id, ticker=ticker, approval_id=None
            )
            work.save_position(replace(position, structure=structure, opened_units=count, collateral=secured))
    return desk


def _of_several(line: str) -> Card:
    return several().card(line)


def _filled() -> Card:
    return _held().card(action="show:A00001")


def _working() -> Card:
    desk = visit()
    propose(desk.world, plan=PLAN)
    return desk.card(action="approve:A00001.1")


def _closed() -> Card:
    desk = _held()
    position = _position_id(desk)
    desk.card(f"/close {position}")
    (key,) = desk.world.broker.open_orders()
    desk.world.broker.fill(key)
    desk.world.clock.advance(seconds=1)
    orders.reconcile(desk.world.desk)
    return _posted(desk, desk.events(EventKind.POSITION_CLOSED)[0])


def _posted(desk: Visit, event: Event, key: str = "") -> Card:
    card = card_for(desk.world.desk, event, key or f"event:{event.id}", "PAPER")
    assert card is not None
    return card


def _digest() -> Card:
    """The evening's card, as it is posted."""
    held = _held()
    clock, desk = held.world.clock, held.world.desk
    clock.set(desk.sessions.close(desk.today) + AFTER_CLOSE)
    quote_all(held.world, "0.75", "0.85", "48.60")
    digests.end_once(desk)
    event = Event("E90001", EventKind.DIGEST_READY, make.NOW, "2026-06-15", {})
    return _posted(held, event, "digest:2026-06-15")


def _digest_of(span: Span, day: date) -> Card:
    """One of the two weeks of our own books."""
    desk = two_weeks().world.desk
    return told_digest(desk, digests.digest(desk, span, day), "PAPER")


def _alarm() -> Card:
    desk = visit()
    with desk.world.store.begin() as work:
        work.save_position(calls())
    desk.world.broker.faults = [Fault.REFUSE] * 3
    for _ in range(3):
        look(desk.world, "2.80", "2.90", seconds=301)
    return _posted(desk, desk.events(EventKind.EXIT_FAILED)[-1])


def _flattening() -> Card:
    desk = _held()
    asked = desk.card("/panic flatten")
    desk.card(action=asked.buttons[0][0].action)
    panic.advance(desk.world.desk)
    event = [event for event in desk.events(EventKind.PANIC) if event.correlation][-1]
    return _posted(desk, event, f"panic:{event.subject}")


def _agenda() -> Card:
    desk = visit()
    short_put(desk.world)
    desk.world.clock.advance(days=15)
    open_market(desk.world)
    agenda.run(desk.world.desk)
    return _posted(desk, desk.events(EventKind.EXPIRY_AGENDA)[0])


def _roll() -> Card:
    desk = visit()
    short_put(desk.world)
    open_market(desk.world)
    return desk.card("/roll P00001")


def _assigned() -> Card:
    words = "2 × XYZ 44 put were assigned: 200 shares bought at 44.00."
    data = {"ticker": "XYZ", "instrument": "XYZ 20 Jul 26 44 put", "quantity": 2, "words": words}
    return notice(make.event(EventKind.ASSIGNED, "P00003", data=data, severity=Severity.WARNING), "PAPER")


def _escalated() -> Card:
    told = make.NOW - timedelta(minutes=5)
    return alert_card((alerted.alert(severity=Severity.URGENT, escalated=1, told_at=told),), "PAPER")


def _seen() -> Card:
    return alert_card((alerted.alert(seen_by="tom", seen_at=make.NOW),), "PAPER")


def _over() -> Card:
    ended = make.NOW - timedelta(minutes=3)
    return alert_card((alerted.alert(state=AlertState.RESOLVED, resolved_at=ended),), "PAPER")


def _several_alerts() -> tuple[Alert, ...]:
    names = ("XYZ", "AAPL", "MSFT", "NVDA", "BRK.B", "SPY", "QQQ", "KO", "PEP", "AMD", "F", "TSLA", "IWM", "GLD")
    told = [
        alerted.alert(f"N{n:05}", ticker=name, card="N00000", value=0.86 + n / 100, figure=f"{14 - n} % left")
        for n, name in enumerate(names)
    ]
    told[-1] = replace(told[-1], ticker="XYZ", subject="P0VAAC2J", value=1.02, figure="reached")
    return tuple(replace(each, seen_by="tom", seen_at=make.NOW) if each.ticker == "KO" else each for each in told)


def _alerts() -> Card:
    """What is open on a bad morning."""
    margin = {"rule": "margin", "title": "Margin", "subject": "maintenance", "ticker": "", "severity": Severity.URGENT}
    asleep = {"state": AlertState.SNOOZED, "snoozed_by": "ann", "snoozed_until": make.NOW + timedelta(hours=1)}
    disk = {"rule": "disk", "title": "Disk", "subject": "", "ticker": "", "since": make.NOW - timedelta(hours=30)}
    target = {"rule": "target_near", "title": "Target near", "ticker": "BRK.B", "severity": Severity.INFO}
    told = (
        alerted.alert("N0VAAC2J", **margin),
        alerted.alert("N0VAAC3K"),
        alerted.alert("N0VAAC4L", ticker="AAPL", seen_by="tom"),
        alerted.alert("N0VAAC5M", **disk, **asleep),
        alerted.alert("N0VAAC6N", **target),
    )
    return list_card(told, make.NOW, "PAPER")


def _breach() -> Card:
    data = {"words": "Loss of the day 2.1 %, the limit is 2.0 %: nothing is opened until the next session."}
    return notice(make.event(EventKind.RISK_BREACHED, "daily loss", data=data, severity=Severity.URGENT), "PAPER")


def _down() -> Card:
    data = {"words": "Discord has not answered for 2 minutes. Cards for it wait and come in order when it is back."}
    return notice(make.event(EventKind.PLATFORM_DOWN, "discord", data=data, severity=Severity.WARNING), "PAPER")


def _asked(line: str, who: str = "web:ann") -> Card:
    """The answer of an empty desk, right or wrong."""
    desk = visit()
    desk.world.market.set_snapshot(cases.wheel_name())
    return desk.ask(line, who=who).cards[0]


def _told(line: str, *stories: Headline, **more: object) -> Card:
    """The answer of a desk that knows all about one name, or what `more` says."""
    desk = visit()
    known = {"load_news": lambda: told.news(*stories)} | more
    desk.world.market.set_snapshot(told.snapshot(**known))
    desk.world.market.states = told.states()
    return desk.card(line)


def _closed_quote() -> Card:
    """Asked on a Saturday: the last close, labelled."""
    desk = visit()
    desk.world.clock.set(make.NOW - timedelta(days=2))
    desk.world.market.set_snapshot(told.snapshot(spot=None, session=None))
    return desk.card("/quote XYZ")


def _levels() -> Card:
    return watched().card("/health levels")


def _undelivered() -> Card:
    return watched().card("/undelivered", who="web:ann")


def _of_the_jobs(line: str) -> Card:
    """A desk that was started in the morning, was down for an hour and has one scan that fails."""
    desk = visit()
    world, sessions = desk.world, desk.world.desk.sessions
    world.clock.set(sessions.at(world.desk.today, "09:00"))
    jobs = jobs_of(world.desk, (Job("backup", AtClock(("15:30",)), _full),))
    for clock in ("09:00", "09:31", "10:00", "10:30", "12:15", "15:10", "15:30", "15:31"):
        world.clock.set(sessions.at(world.desk.today, clock))
        jobs.runner.tick()
    return Visit(world, replace(desk.room, jobs=jobs), desk.sources).card(line)


def _full() -> str:
    raise ConfigError("There are 12 MB left on the disk of /var/backups: a backup needs 40.")


def _long_help() -> Card:
    return _asked("/help trades")


SAMPLES: dict[str, Callable[[], Card]] = {
    "proposal": lambda: _drawn(_unit()),
    "proposal-compact": lambda: compact(_drawn(_unit())),
    "proposal-spread": _spread,
    "proposal-moved": _moved,
    "proposal-live": _live,
    "change": lambda: _of_the_scan("change:{key}"),
    "why": lambda: _of_the_scan("why:{id}"),
    "payoff": lambda: _of_the_scan("/payoff {id}"),
    "proposals": lambda: _of_the_scan("/proposals"),
    "working": _working,
    "filled": _filled,
    "blocked": _blocked,
    "closed": _closed,
    "position": lambda: _of_the_holder("/position {position}"),
    "positions": lambda: _of_the_holder("/positions"),
    "orders": lambda: _of_the_holder("/orders"),
    "risk": lambda: _of_the_holder("/risk"),
    "risk-exposure": lambda: _of_several("/risk exposure"),
    "risk-hazards": lambda: _of_several("/risk hazards"),
    "stress": lambda: _of_several("/stress"),
    "greeks": lambda: _of_several("/greeks"),
    "pnl": lambda: _of_the_holder("/pnl"),
    "account": lambda: _of_the_holder("/account"),
    "baseline": lambda: _of_the_measured("/baseline"),
    "baseline-strategy": lambda: _of_the_measured("/baseline wheel"),
    "strategies": lambda: _of_the_measured("/strategies"),
    "audit": lambda: _of_the_holder("/audit {position}"),
    "digest": _digest,
    "digest-busy": lambda: _digest_of(Span.DAY, date(2026, 6, 18)),
    "digest-week": lambda: _digest_of(Span.WEEK, date(2026, 6, 15)),
    "digest-month": lambda: _digest_of(Span.MONTH, date(2026, 6, 30)),
    "chart": lambda: _asked("/chart XYZ"),
    "quote": lambda: _told("/quote XYZ"),
    "quote-closed": _closed_quote,
    "quote-contradicted": lambda: _told("/quote XYZ", spot=None, troubles=(told.contradiction(),)),
    "chain": lambda: _told("/chain XYZ"),
    "news": lambda: _told("/news XYZ"),
    "news-hostile": lambda: _told("/news XYZ", *(told.hostile_headline(n) for n in range(3))),
    "earnings": lambda: _told("/earnings XYZ"),
    "earnings-all": lambda: _told("/earnings"),
    "facts": lambda: _told("/facts XYZ"),
    "scan": lambda: _asked("/scan wheel"),
    "alarm": _alarm,
    "alert": lambda: alert_card((alerted.alert(),), "PAPER"),
    "alert-escalated": _escalated,
    "alert-seen": _seen,
    "alert-over": _over,
    "alert-many": lambda: alert_card(_several_alerts(), "PAPER"),
    "alerts": _alerts,
    "breach": _breach,
    "down": _down,
    "flattening": _flattening,
    "halted": lambda: _asked("/halt news"),
    "agenda": _agenda,
    "roll": _roll,
    "assigned": _assigned,
    "limits": lambda: _asked("/limits"),
    "jobs": lambda: _of_the_jobs("/jobs"),
    "job": lambda: _of_the_jobs("/jobs scan lotto"),
    "health": lambda: _asked("/health"),
    "health-sources": lambda: _told("/health"),
    "health-levels": _levels,
    "undelivered": _undelivered,
    "help": lambda: _asked("/help"),
    "help-trades": _long_help,
    "help-close": lambda: _asked("/help close"),
    "settings": lambda: _asked("/settings quiet 22:00-07:00"),
    "users": lambda: _asked("/users"),
    "setup": lambda: _asked("/setup"),
    "mistyped": lambda: _asked("/postions"),
    "refused": lambda: _asked("/halt", who="web:vic"),
    "stranger": lambda: _asked("/risk", who="discord:999"),
}
"""Name of the sample -> its card."""
