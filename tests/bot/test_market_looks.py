"""/quote, /chain, /news, /earnings, /facts and the providers on /health: every number with whose it is, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot import app
from bot.bulkheads import finish
from bot.catalogue import COMMANDS
from bot.completion import complete, suggest
from bot.dispatch import dispatch
from bot.message import Card, Link, Request, Tone, as_text
from engine.data.best import SHARES, best_quote
from engine.errors import DataUnavailable
from engine.model.events import EventKind
from engine.model.instruments import Stock
from engine.model.market import Chain, Earnings, Kind, ReportTime, Source
from engine.model.status import TradingStatus
from engine.store import Store
from tests import make, told
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.engine.exit_cases import calls

NARROW = 36


def room(**more: object) -> Visit:
    """A desk that knows all about XYZ, or what `more` says."""
    desk = visit()
    desk.world.market.set_snapshot(told.snapshot(**more))
    return desk


def fact(card: Card, label: str) -> str:
    return dict(card.facts)[label]


class Once:
    """A chain that comes once (the fake market asks when it is told the snapshot) and never again."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.asked = 0

    def __call__(self) -> Chain:
        self.asked += 1
        if self.asked > 1:
            raise DataUnavailable("finnhub did not answer within 8 s.")
        return self.chain


def refuse(*_: object) -> None:
    raise DataUnavailable("finnhub did not answer within 8 s.")


def test_a_quote_says_sizes_source_kind_and_age() -> None:
    card = room().card("/quote XYZ")

    assert card.title == "XYZ 48.20"
    assert fact(card, "Bid / ask") == "48.19 × 300 / 48.21 × 1,200"
    assert (fact(card, "Source"), fact(card, "Age")) == ("alpaca (real)", "2 s")
    assert fact(card, "Change") == "+1.69 % from 47.40"
    assert card.tone is Tone.NEUTRAL


def test_a_size_nobody_told_is_not_a_size_of_zero() -> None:
    desk = room()
    desk.world.market.set_snapshot(replace(told.snapshot(), spot=replace(told.quote(), bid_size=0)))

    assert fact(desk.card("/quote XYZ"), "Bid / ask") == "48.19 / 48.21 × 1,200"


def test_sources_that_contradict_each_other_are_told_with_both_numbers_and_no_price() -> None:
    card = room(spot=None, troubles=(told.contradiction(),)).card("/quote XYZ")

    assert (card.title, card.tone) == ("XYZ: no usable quote", Tone.WARNING)
    assert "alpaca 48.20, yahoo 52.65" in card.lines[-1]
    assert "Mid" not in dict(card.facts)


def test_a_quote_that_is_too_old_is_told_with_its_age_and_is_no_price() -> None:
    old = best_quote((told.quote(),), make.NOW + timedelta(seconds=90), SHARES, for_orders=False)

    card = room(spot=None, troubles=(old.words,)).card("/quote XYZ")

    assert card.lines == ("XYZ: no fresh two-sided quote; the newest is 48.19 / 48.21 of alpaca (real), 92 s old.",)


def test_while_the_market_is_closed_the_last_close_comes_with_its_day() -> None:
    desk = room(spot=None, session=None)
    desk.world.clock.set(make.NOW - timedelta(days=2))

    card = desk.card("/quote XYZ")

    assert card.title == "XYZ: no quote, the market is closed"
    assert card.lines == ("The market is closed. It opens on 2026-06-15 09:30 ET.",)
    assert fact(card, "Last close") == "47.40 on Fri 12 Jun 26, test (recorded)"
    assert "Mid" not in dict(card.facts)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, ("Halts", "no source tells")),
        (TradingStatus("XYZ"), ("Trading", "not halted")),
        (TradingStatus("XYZ", is_halted=True, since=make.NOW), ("Trading", "halted since 10:00:00 ET")),
        (
            TradingStatus("XYZ", is_halted=True, is_market_wide=True),
            ("Trading", "halted, the whole market"),
        ),
        (TradingStatus("XYZ", since=make.NOW), ("Trading", "resumed since 10:00:00 ET")),
    ],
)
def test_a_halt_is_told_and_so_is_that_nobody_knows(status: TradingStatus | None, words: tuple[str, str]) -> None:
    desk = room()
    if status is not None:
        desk.world.market.set_status(status)

    assert words in desk.card("/quote XYZ").facts


def test_a_quote_tells_the_next_report_and_ex_date() -> None:
    card = room().card("/quote XYZ")

    assert fact(card, "Next report") == "Thu 30 Jul 26 after close, confirmed (finnhub, fmp)"
    assert fact(card, "Next ex-date") == "Thu 9 Jul 26, 0.32 a share"


def test_what_no_source_covers_is_not_the_same_as_none() -> None:
    unknown = room(earnings=None, dividends=None).card("/quote XYZ")
    none = room(earnings=told.reports()[:2], dividends=()).card("/quote XYZ")

    assert (fact(unknown, "Next report"), fact(unknown, "Next ex-date")) == ("no source tells",) * 2
    assert (fact(none, "Next report"), fact(none, "Next ex-date")) == ("none known ahead",) * 2


def test_volatility_comes_with_its_rank_and_the_share_that_was_reconstructed() -> None:
    card = room().card("/quote XYZ")

    assert fact(card, "IV 30 days") == "31.0 %, alpaca (indicative)"
    assert fact(card, "IV in its year") == "rank 45, percentile 42 (252 sessions, 40 % reconstructed)"


def test_twelve_days_of_volatility_are_insufficient() -> None:
    card = room(iv_history=told.history(12)).card("/quote XYZ")

    assert fact(card, "IV in its year") == "insufficient: 12 of 60 sessions"


def test_a_chain_or_reports_that_do_not_come_do_not_keep_the_price_back() -> None:
    chains = Once(told.chain())
    card = room(load_chain=chains, load_earnings=refuse).card("/quote XYZ")

    assert fact(card, "Mid") == "48.20"
    assert (fact(card, "IV 30 days"), fact(card, "Next report")) == ("finnhub did not answer within 8 s.",) * 2
    assert chains.asked == 2


def test_a_chain_says_forward_rate_comparison_and_what_was_left_out() -> None:
    card = room().card("/chain XYZ")

    assert fact(card, "Forward") == "48.37 by put-call parity, 8 strikes"
    assert fact(card, "Rate") == "4.12 %, treasury (real)"
    assert fact(card, "Source") == "alpaca (indicative)"
    assert fact(card, "Quoted").endswith("4 s old")
    assert "alpaca's own, 76 contracts" in card.lines[0]
    assert card.lines[1] == "Left out: 2 adjusted."


def test_recorded_chains_say_so_and_claim_no_comparison() -> None:
    recorded = replace(told.chain(), source=make.SOURCE, making=None, rate_source=None)

    card = room(chain=recorded).card("/chain XYZ")

    assert fact(card, "Source") == "test (recorded)"
    assert fact(card, "Rate").endswith("source not said")
    assert card.lines == ("Listed expiries: 26\u00a0Jun\u00a026, 17\u00a0Jul\u00a026, 21\u00a0Aug\u00a026.",)


def test_every_table_of_the_market_fits_a_phone() -> None:
    desk = room()
    tables = [table for line in ("/chain XYZ", "/earnings XYZ", "/earnings") for table in desk.card(line).tables]

    lines = [line for table in tables for line in as_text(Card("x", tables=(table,))).splitlines()]

    assert len(tables) == 4
    assert max(map(len, lines)) <= NARROW


def test_open_interest_nobody_told_has_no_column() -> None:
    bare = told.chain()
    bare = replace(bare, open_interest=bare.bid_size * float("nan"))

    (_, interest) = room(chain=bare).card("/chain XYZ").tables

    assert interest.headers == ("Strike", "Vol", "Bid ×", "Ask ×")


def test_the_flip_and_the_turns_lead_to_what_is_listed() -> None:
    desk = room()
    labels = {button.label: button.action for row in desk.card("/chain XYZ").buttons for button in row}

    assert labels["Calls"] == "refresh:/chain XYZ call 2026-07-17"
    assert desk.card(action=labels["21 Aug ▶"]).title == "XYZ puts 21 Aug 26"
    assert desk.card(action=labels["Calls"]).title == "XYZ calls 17 Jul 26"


def test_listed_expiries_are_suggested_once_a_chain_is_known_and_nobody_is_asked_for_them() -> None:
    desk = room()
    typed = Request("web:ann", "/chain", options=(("ticker", "$xyz"),))
    before = [item.text for item in complete(desk.room, "web:ann", "/chain XYZ put ")]
    desk.card("/chain XYZ")
    chains = Once(told.chain())
    desk.world.market.set_snapshot(told.snapshot(load_chain=chains))

    after = [item.text for item in complete(desk.room, "web:ann", "/chain XYZ put 2026-0")]

    assert "friday" in before
    assert after == ["2026-06-26", "2026-07-17", "2026-08-21"]
    assert [item.text for item in suggest(desk.room, typed, "expiry", "aug")] == []
    assert [item.text for item in suggest(desk.room, typed, "expiry", "08")] == ["2026-08-21"]
    assert desk.room.listed.expiries("XYZ", date(2026, 7, 1)) == told.EXPIRIES[1:]
    assert chains.asked == 1


def test_news_says_who_when_and_how_it_reads() -> None:
    card = room().card("/news XYZ")

    assert card.links[0].text.startswith("XYZ beats estimates")
    assert card.links[0].note.startswith("Benzinga, 7 min. P\u00a00.")
    assert card.links[2].host == ""
    assert fact(card, "Last 24 hours") == "3 articles: 1 positive, 1 neutral, 1 negative"
    assert (fact(card, "Mean P(positive)"), fact(card, "Newer count more")) == ("0.26", "0.30")


def test_no_articles_and_no_source_are_told_apart() -> None:
    empty = told.news(empty=True)
    none, nobody = room(load_news=lambda: empty), room(load_news=lambda: None)

    assert none.card("/news XYZ").lines == ("No articles about XYZ. Asked: alpaca, yahoo.",)
    assert nobody.card("/news XYZ").title == "XYZ: no source of news"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://evil.example/)[x](y)",
        'https://evil.example/"onmouseover="x',
        "https://user@evil.example/",
        "https://evil.example/<b>",
        "https://evil.example/\n",
        "https://exa\u202emple.com/",
        f"https://evil.example/{'a' * 500}",
        "//evil.example",
        "https:///",
    ],
)
def test_an_address_that_could_mislead_leads_nowhere(url: str) -> None:
    assert Link("x", url).host == ""


def test_reports_of_one_name_say_which_session_they_move() -> None:
    card = room().card("/earnings XYZ")

    assert dict(card.facts) == {
        "Next": "Thu 30 Jul 26 after close, confirmed (finnhub, fmp)",
        "Moves": "Fri 31 Jul 26",
    }
    assert [row[0] for row in card.tables[0].rows] == ["Thu 30 Apr 26", "Thu 29 Jan 26"]


def test_reports_nobody_tells_are_not_known() -> None:
    card = room(earnings=None).card("/earnings XYZ")

    assert card.title == "XYZ: reports not known"


def test_without_a_ticker_the_next_reports_come_soonest_first_and_what_is_not_known_is_named() -> None:
    desk = room()
    soon = (Earnings(make.TODAY, ReportTime.AFTER_CLOSE),)
    desk.world.market.set_snapshot(make.snapshot("ABC", earnings=soon))
    desk.world.market.set_snapshot(make.snapshot("DEF", earnings=None))
    with desk.world.store.begin() as work:
        work.save_position(calls())

    card = desk.card("/earnings")

    assert [row[0] for row in card.tables[0].rows] == ["ABC", "XYZ"]
    assert card.tables[0].rows[0] == ("ABC", "Mon 15 Jun", "close", "no")
    assert "Not known: DEF." in card.lines
    assert any(line.startswith("Held: ") for line in card.lines)


def test_the_universe_is_asked_about_without_hurry() -> None:
    spans: list[str] = []

    @contextmanager
    def unhurried() -> Iterator[None]:
        spans.append("begun")
        yield
        spans.append("ended")

    desk = room()
    desk = Visit(desk.world, replace(desk.room, unhurried=unhurried), desk.sources)
    desk.world.market.set_snapshot(told.snapshot(load_earnings=lambda: spans.append("asked") or told.reports()))

    desk.card("/earnings")

    assert spans == ["begun", "asked", "ended"]


def test_what_is_held_is_told_to_its_asker_alone() -> None:
    assert COMMANDS["earnings"].is_private
    assert not COMMANDS["news"].is_private


def test_facts_say_what_is_missing_and_by_whom_they_are() -> None:
    card = room().card("/facts XYZ")

    assert fact(card, "Market value") == "41.25 billion dollars"
    assert fact(card, "Dividend yield") == "unknown"
    assert (fact(card, "Net margin"), fact(card, "Margin before")) == ("18.4 %", "17.2 %")
    assert (fact(card, "Known on"), fact(card, "Source")) == ("Mon 15 Jun 26", "yahoo, fmp")


def test_a_company_nobody_covers_has_no_facts() -> None:
    assert room(fundamentals=None).card("/facts XYZ").title == "XYZ: no facts"


def test_health_has_a_line_for_each_provider() -> None:
    desk = room()
    desk.world.market.states = told.states()

    card = desk.card("/health all")

    assert card.title == "Not well: Source yahoo"
    assert fact(card, "Source alpaca") == "up, answered 3 s ago, left 181 of 200 a minute"
    assert fact(card, "Source yahoo").startswith("down since 2026-06-15 09:49 ET, answered 11 min ago")
    assert "3 wrong numbers left out" in fact(card, "Source yahoo")
    assert fact(card, "Source yahoo").endswith("yahoo did not answer within 4 s.")
    assert fact(card, "Source fmp") == "not asked yet, left 250 of 250 a day, unproven"


def test_looks_change_nothing() -> None:
    desk = room()

    for line in ("/quote XYZ", "/chain XYZ", "/news XYZ", "/earnings", "/facts XYZ"):
        desk.card(line, who="web:vic")

    assert desk.events(EventKind.COMMAND) == ()
    assert Stock("XYZ") not in {item for asked in desk.world.market.asked for item in asked}


@pytest.mark.parametrize("line", ["/quote IBM", "/chain IBM", "/news IBM", "/earnings IBM", "/earnings", "/facts IBM"])
def test_a_replay_answers_every_look_and_names_what_its_prices_are(line: str) -> None:
    with Store.memory() as store:
        made = app.build_replay_desk(app.demo_prices(), date(2013, 3, 1), {}, store)
        room_of_it = app.build_room(made.desk, PEOPLE, lambda: "REPLAY")
        reply = finish(dispatch(room_of_it, Request("web:vic", line, source="test:1")))

    (card,) = reply.cards
    assert (reply.error, card.banner) == ("", "REPLAY")
    if line in ("/quote IBM", "/chain IBM"):
        assert dict(card.facts)["Source"] in {"replay (modelled)", "model (modelled)", "replay (recorded)"}


@pytest.mark.parametrize(
    ("kind", "title"), [(Kind.REAL, "XYZ 48.20"), (Kind.DELAYED, "XYZ 48.20 (delayed)"), (Kind.RECORDED, "XYZ 48.20")]
)
def test_a_price_that_is_not_of_now_has_the_word_in_its_title(kind: Kind, title: str) -> None:
    desk = visit()
    known = told.snapshot()
    assert known.spot is not None
    desk.world.market.set_snapshot(replace(known, spot=replace(known.spot, source=Source("yahoo", kind))))
    assert desk.card("/quote XYZ").title == title
