"""/baseline and /strategies as people read them; the report where somebody takes it for a strategy; its sentences."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.config import load
from bot.console.replay import chosen
from bot.console.scan import ScanOptions
from bot.console.scan import scan as scan_command
from bot.message import Card, table_text
from bot.summary import told
from engine import locks
from engine.errors import BadRequest
from engine.model.book import Position, PositionStatus
from engine.model.legs import Structure
from engine.model.locks import LockKind, Scope
from engine.model.records import StrategyDay
from engine.model.trade import Scan
from engine.store.catalogue import DISABLED
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import Visit, visit
from tests.samples import SAMPLES

D = make.D
PHONE = 36


def facts(card: Card) -> dict[str, str]:
    return dict(card.facts)


def table(card: Card, number: int = 0) -> list[str]:
    return table_text(card.tables[number]).splitlines()


def test_the_account_is_told_against_the_fund_with_its_intervals_and_what_is_missing() -> None:
    card = SAMPLES["baseline"]()
    assert card.title == "Baseline: +1,993.11"
    assert facts(card)["Made"] == "+1,993.11 (1.99 %)"
    assert facts(card)["Days"].startswith("70, ")
    assert " to " in facts(card)["Sharpe"]
    assert table(card)[0] == "Against SPY, 70 days"
    assert [line.split()[0] for line in table(card)[2:]] == ["Return", "Alpha", "Beta", "Info"]
    assert "QQQ is missing: No bars of QQQ here." in card.lines
    assert any(line.startswith("account against SPY: alpha ") for line in card.lines)
    assert "Closes of 2026-03-06 to 2026-06-12." in card.footer
    assert "95 %" in card.footer


def test_a_strategy_that_has_just_begun_says_how_many_days_it_has() -> None:
    card = SAMPLES["baseline"]()
    assert "wsb_dip: not enough: 11 of 60 days." in card.lines
    assert [line.split() for line in table(card, 1)[1:]][1] == ["wsb_dip", "+11", "11", "d", "-"]


def test_idle_cash_stands_apart_from_what_was_made_with_it() -> None:
    assert facts(SAMPLES["baseline"]())["Idle cash"].startswith("+2.00 interest, 0.00 %; riskless ")


def test_one_strategy_is_told_in_full() -> None:
    card = SAMPLES["baseline-strategy"]()
    assert card.title == "Baseline of wheel: +1,982.11"
    assert [each.title for each in card.tables] == ["Against SPY, 70 days"]
    assert card.buttons[0][0].action == "refresh:/baseline"


def test_a_strategy_that_never_traded_has_nothing_to_measure() -> None:
    here = visit()
    assert here.card("/baseline wheel").lines == (
        "wheel has made and cost nothing at any close that was kept: there is nothing to measure yet.",
    )


def test_a_desk_without_a_close_says_so() -> None:
    card = visit().card("/baseline")
    assert card.lines == ("No close has been kept yet: the report begins with the first one.",)


@pytest.mark.parametrize("sample", ["baseline", "baseline-strategy", "strategies"])
def test_the_tables_fit_a_phone(sample: str) -> None:
    for each in SAMPLES[sample]().tables:
        assert max(map(len, table_text(each).splitlines())) <= PHONE, table_text(each)


def test_where_the_report_is_not_enabled_the_setting_is_named() -> None:
    here = visit()
    desk = replace(here.world.desk, reports={})
    quiet = Visit(here.world, replace(here.room, desk=desk), here.sources)
    assert "[strategies.index_baseline] enabled" in quiet.told("/baseline")


@pytest.mark.parametrize("line", ["/scan index_baseline", "/funnel INDEX_BASELINE", "/disable index_baseline"])
def test_who_takes_the_report_for_a_strategy_is_shown_where_it_is(line: str) -> None:
    assert visit().told(line) == "index_baseline is a report: it trades and scans nothing. /baseline shows it."


# /strategies


def one(here: Visit, name: str = "wheel") -> dict[str, str]:
    return facts(here.card(f"/strategies {name}"))


def test_every_strategy_is_a_line_that_a_phone_does_not_break() -> None:
    card = visit().card("/strategies")
    assert [line.split()[0].rstrip("…") for line in table(card)[1:]] == [
        name if len(name) <= 14 else name[:13] for name in CATALOGUE
    ]
    assert max(len(line.rstrip()) for line in table(card)) <= 36
    assert card.footer.endswith("index_baseline is a report: /baseline.")


def test_one_strategy_is_told_with_its_risk_level_its_next_scan_and_what_is_unproven() -> None:
    here = visit()
    assert one(here) == {
        "State": "on",
        "Risk level": "low",
        "Next scan": "2026-06-16 10:00 ET",
        "Open": "0 positions",
        "Risk": "0 % of equity",
        "Won": "0 of 0 closed campaigns",
        "P&L": "+0",
        "Unproven": "0 of 30 campaigns, 0 of 60 daily marks",
    }
    assert one(here, "WSB_DIP")["Next scan"] == "2026-06-15 15:30 ET"
    assert here.told("/strategies whel").startswith("“whel” is not a strategy here. Did you mean wheel?")


def test_the_next_scan_of_a_friday_evening_is_on_monday() -> None:
    here = visit()
    here.world.clock.advance(days=4, hours=9)
    assert one(here)["Next scan"] == "2026-06-22 10:00 ET"


def test_a_disabled_strategy_is_off_scans_no_more_and_says_how_to_turn_it_on() -> None:
    here = visit()
    locks.switch(here.world.desk, "wheel", DISABLED, "ann")
    assert one(here)["State"] == "off"
    assert "Next scan" not in one(here)
    assert "wheel is disabled: /enable wheel lets it trade again." in here.card("/strategies").lines


def test_a_locked_strategy_opens_nothing_and_says_why_and_the_others_are_on() -> None:
    here = visit()
    desk = here.world.desk
    with here.world.store.begin() as work:
        locks.impose(desk, work, Scope.STRATEGY, "wheel", LockKind.PAUSE, "its own equity fell 11.0 % from its peak")
    assert one(here)["State"] == "opens nothing now"
    assert one(here, "wsb_dip")["State"] == "on"
    (line,) = here.card("/strategies").lines
    assert line.startswith("Nothing is opened in wheel (L")
    assert "its own equity fell 11.0 % from its peak" in line


def test_a_lock_on_the_whole_desk_is_told_once() -> None:
    here = visit()
    with here.world.store.begin() as work:
        locks.impose(here.world.desk, work, Scope.DESK, "", LockKind.HAND, "a pause")
    (line,) = here.card("/strategies").lines
    assert line.startswith("Nothing is opened at all (L")


def test_what_is_held_counts_with_its_risk_and_its_open_result() -> None:
    here = visit()
    shares = make.share()
    position = make.position(
        (make.leg(shares, 1),),
        (make.held(shares, 100, 48),),
        structure=Structure.SHARES,
        approval_id=None,
        opened_units=100,
    )
    with here.world.store.begin() as work:
        work.save_position(position)
    here.world.market.set_quote(shares, "50", "50")
    row = next(line.split() for line in table(here.card("/strategies")) if line.startswith("wheel"))
    # A fall of a fifth of 5,000 dollars of shares is 1 % of the account.
    assert row == ["wheel", "1", "%", "-", "+200"]
    assert (one(here)["State"], one(here)["Open"], one(here)["Risk"]) == ("on", "1 position", "1 % of equity")


def test_without_a_price_the_result_is_not_known() -> None:
    here = visit()
    other = make.share("ABC")
    position = make.position(
        (make.leg(other, 1),), (make.held(other, 100, 48),), ticker="ABC", structure=Structure.SHARES, approval_id=None
    )
    with here.world.store.begin() as work:
        work.save_position(position)
    row = next(line.split() for line in table(here.card("/strategies")) if line.startswith("wheel"))
    assert row[-1] == "?"


def ended(number: int, made: int) -> Position:
    """A put that was sold, and has made so much."""
    return make.position(
        id=f"P{number}",
        campaign=f"C{number}",
        realised=D(made),
        max_loss=D(100),
        status=PositionStatus.CLOSED,
        closed_at=make.NOW,
    )


def test_closed_campaigns_and_how_many_won_are_counted() -> None:
    here = visit()
    with here.world.store.begin() as work:
        work.add_approval(make.approval())
        for number, made in enumerate((30, -5, 12)):
            work.save_position(ended(number, made))
    row = next(line.split() for line in table(here.card("/strategies")) if line.startswith("wheel"))
    assert row[3] == "2/3"
    assert one(here)["Unproven"].startswith("3 of 30 campaigns")


@pytest.mark.parametrize(("name", "campaigns", "days"), [("wheel", 30, 60), ("leaps", 10, 120)])
def test_a_strategy_is_unproven_until_it_has_its_campaigns_and_its_days(name: str, campaigns: int, days: int) -> None:
    def told_of(campaigns: int, days: int) -> str:
        here = visit()
        desk = replace(here.world.desk, strategies={name: replace(CATALOGUE["wheel"], name=name)})
        with here.world.store.begin() as work:
            work.add_approval(make.approval())
            for number in range(campaigns):
                work.save_position(replace(ended(number, 5), strategy=name))
            for day in make.weekdays(days):
                work.add_strategy_day(StrategyDay(day, name, fees=D(1)))
        return one(Visit(here.world, replace(here.room, desk=desk), here.sources), name).get("Unproven", "")

    assert told_of(campaigns, days) == ""
    assert f"{campaigns - 1} of {campaigns} campaigns, {days} of {days}" in told_of(campaigns - 1, days)
    assert f"{campaigns} of {campaigns} campaigns, {days - 1} of {days}" in told_of(campaigns, days - 1)


def test_rules_that_the_last_scan_could_not_check_are_named() -> None:
    here = visit()
    scan = Scan("S1", "wheel", make.NOW, 1, (), ("earnings", "sector"), (), ())
    with here.world.store.begin() as work:
        work.add_scan(scan)
    assert one(here)["Unproven"].endswith("; without what its last scan could not check: earnings, sector")


# On the command line


def test_a_scan_of_the_report_says_what_it_is_and_a_replay_may_name_it(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="index_baseline is a report"):
        scan_command(ScanOptions("index_baseline", ()), {}, as_json=False)
    config = load(None, {})
    assert chosen(config, ("index_baseline",)) == {}
    assert list(chosen(config, ("wheel", "index_baseline"))) == ["wheel"]
    quiet = tmp_path / "quiet.toml"
    quiet.write_text("[strategies.index_baseline]\nenabled = false\n", encoding="utf-8")
    with pytest.raises(BadRequest, match="not an enabled strategy"):
        chosen(load(quiet, {}), ("index_baseline",))


# In a summary


def test_a_summary_tells_the_baseline_in_sentences() -> None:
    assert told({"baseline": {"words": ["account: not enough: 3 of 60 days."]}}) == [
        "Baseline, account: not enough: 3 of 60 days."
    ]
    assert told({"baseline": None}) == []
