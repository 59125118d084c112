"""Every command, once: the gate, /help, permissions, completion, the platforms' menus and the tests read this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bot.cards.setup import Step
from bot.carry import carried_out
from bot.command import Call, Command, Group, Handler, Kind, Parameter, Place
from bot.gate import may
from bot.handlers import (
    act,
    alerts,
    baseline,
    broker,
    chain,
    closing,
    envelopes,
    health,
    jobs,
    life,
    limits,
    look,
    news,
    panic,
    people,
    pictures,
    quote,
    reports,
    risks,
    run,
    setup,
    trail,
    undelivered,
)
from bot.message import Card
from bot.parse import command_of, values_of, words_of
from bot.people import Role
from bot.wishes import WISHES
from engine.errors import BadRequest

TICKER = Parameter("ticker", Kind.TICKER, "a ticker, such as AAPL")
STRATEGY = Parameter("strategy", Kind.STRATEGY, "a strategy's name")
ANY_STRATEGY = Parameter("strategy", Kind.STRATEGY, "a strategy's name", required=False)
POSITION = Parameter("position", Kind.POSITION, "a position's id, such as P00003")
PROPOSAL = Parameter("proposal", Kind.APPROVAL, "a proposal's id, such as A00004")
SHOWN = Parameter("proposal", Kind.APPROVAL, "a proposal's id with the version you have seen, such as A00004.1")
ALERT = Parameter("alert", Kind.ALERT, "an alert's id, such as N00012")
ENVELOPE = Parameter("envelope", Kind.ENVELOPE, "an envelope's id, such as V00001")
FLATTEN = Parameter("id", Kind.TEXT, "the id on the card, such as F00009")
QUESTION = Parameter("question", Kind.TEXT, "the id on the card, such as U00007", example="U00007")
TRADE = Parameter("id", Kind.TEXT, "a proposal's or position's id, such as P00003", example="P00003")
NOTE = Parameter("note", Kind.TEXT, "why", required=False, rest=True)
DESTINATION = Parameter("destination", Kind.TEXT, "a platform and chat", rest=True, example="telegram:-100123")
JOB = Parameter("job", Kind.TEXT, "a job's name, such as scan wheel", rest=True, example="scan wheel")
EXPIRY = Parameter("expiry", Kind.DATE, "a listed expiry, YYYY-MM-DD", required=False)

PRIVATE = frozenset({
    "account", "adoptions", "agenda", "alerts", "audit", "baseline", "digest", "earnings", "envelopes", "greeks",
    "health", "jobs", "limits", "orders", "pnl", "position", "positions", "risk", "strategies", "stress", "wheel",
    "whoami",
})  # fmt: skip
"""Looks that tell of the account or of a person."""
STILL = frozenset({"help", "whoami"})


def _help(call: Call) -> Card:
    wanted = call.text("command")
    if wanted and run.heading(wanted) is None:
        command_of(wanted, COMMANDS)
    return run.help_card(call, ALL)


def _refresh(call: Call) -> tuple[Card, ...]:
    """The command line the button carries, asked again by the person who tapped.

    Typed, it would show in front of everybody what a command shows to its asker alone.
    """
    if not call.request.action:
        raise BadRequest("Refresh is a button under an answer: send the command itself again.")
    word, *rest = words_of(call.text("line")) or [""]
    command = command_of(word, COMMANDS)
    if command.acts or command.name == "refresh":
        raise BadRequest(f"/{command.name} cannot be refreshed: send it as a command.")
    may(call.room, call.request.identity, call.request.groups, command)
    return carried_out(replace(call, values=values_of(command, rest, call.desk)), command, rest)


def _look(group: Group, name: str, summary: str, handler: Handler, *parameters: Parameter) -> Command:
    return Command(
        name,
        Role.VIEWER,
        summary,
        handler,
        group,
        parameters,
        is_private=name in PRIVATE,
        is_long=name == "scan",
        is_still=name in STILL,
    )


LOOK = (
    _look(Group.DESK, "help", "what you can ask, or how one command works", _help,
          Parameter("command", Kind.TEXT, "a command's name, or a heading", required=False, example="close")),
    _look(Group.TRADES, "proposals", "what waits for an answer", look.proposals),
    _look(Group.TRADES, "positions", "what is held", look.positions),
    _look(Group.TRADES, "position", "one position", look.position, POSITION),
    _look(Group.TRADES, "orders", "what is working, and the latest orders", look.orders),
    _look(Group.MONEY, "risk", "limits in use and net Greeks; where the exposure is; what may happen to it", risks.risk,
          Parameter("view", Kind.CHOICE, "exposure: by name, sector, expiry; hazards: assignment, expiry, liquidity",
                    required=False, choices=risks.VIEWS)),
    _look(Group.MONEY, "stress", "what a fall, a rise or a panic would make of everything held, and a bad day",
          risks.stressed,
          Parameter("days", Kind.CHOICE, "calendar days ahead", required=False, choices=risks.DAYS)),
    _look(Group.MONEY, "greeks", "net Greeks in dollars, by position, and delta in dollars of SPY", risks.greeks),
    _look(Group.MONEY, "pnl", "profit and loss", look.pnl),
    _look(Group.MONEY, "digest", "a day, week or month in numbers, as far as it has come", look.digest,
          Parameter("when", Kind.TEXT, "today, yesterday, week, last week, month, last month, friday, or 2026-11-20",
                    required=False, rest=True, example="last week")),
    _look(Group.MONEY, "baseline", "are we any good: the account and each strategy against SPY and QQQ",
          baseline.baseline, ANY_STRATEGY),
    _look(Group.MONEY, "strategies", "every strategy: what stops it, what it risks and made; one with its next scan",
          baseline.strategies, ANY_STRATEGY),
    _look(Group.DESK, "adoptions", "what the broker holds and the books do not", broker.adoptions),
    _look(Group.MONEY, "account", "cash, equity and buying power", look.account),
    _look(Group.MARKET, "scan", "run a strategy's rules now, proposing nothing", look.scan, STRATEGY,
          Parameter("tickers", Kind.TICKER, "only these names", required=False, many=True, example="AAPL MSFT")),
    _look(Group.MARKET, "funnel", "how many names each rule of the latest scan removed", look.funnel, STRATEGY),
    _look(Group.MARKET, "whynot", "why a name was not proposed", look.whynot, TICKER, ANY_STRATEGY),
    _look(Group.MARKET, "quote", "a share's price now, and what is known to come", quote.quote, TICKER),
    _look(Group.MARKET, "chain", "options around the spot", chain.chain, TICKER,
          Parameter("right", Kind.CHOICE, "calls or puts", required=False, choices=("put", "call")),
          EXPIRY),
    _look(Group.MARKET, "news", "headlines about a name, and how they read", news.news, TICKER),
    _look(Group.MARKET, "earnings", "when a name reports, or what is held and scanned does next", reports.earnings,
          replace(TICKER, required=False)),
    _look(Group.MARKET, "facts", "a company's growth, margins, sector and size, and who says so", quote.facts, TICKER),
    _look(Group.MARKET, "chart", "prices with the strikes that are held, or implied volatility, as a picture",
          pictures.chart, TICKER,
          Parameter("sessions", Kind.INT, "how many sessions", required=False, low=5, high=2000, example="60"),
          Parameter("show", Kind.CHOICE, "price, or iv for a year of implied volatility", required=False,
                    choices=pictures.SHOW)),
    _look(Group.TRADES, "payoff", "profit at expiry and today of a proposal or position", pictures.payoff, TRADE),
    _look(Group.TRADES, "agenda", "what expires within a week, and what happens if nobody does anything", life.agenda),
    _look(Group.TRADES, "wheel", "a name's wheel: cash, put, shares, call, with basis and P&L", life.wheel, TICKER),
    _look(Group.TRADES, "envelopes", "what is approved in advance, how much of it is used, and how to revoke it",
          envelopes.show),
    _look(Group.TRADES, "audit", "one trade's story from any of its ids, or the latest trades", trail.tell,
          Parameter("id", Kind.TEXT, "the id of a proposal, position, order, campaign or event", required=False,
                    example="P00003"),
          Parameter("page", Kind.INT, "which part of a long story", required=False, low=1, high=1000)),
    _look(Group.SAFETY, "alerts", "what is wrong now, most severe first; one alert; or the latest", alerts.alerts,
          Parameter("alert", Kind.TEXT, "an alert's id, or history", required=False, example="history")),
    _look(Group.SAFETY, "limits", "every limit, what is used of it and what is about to change", limits.limits),
    _look(Group.SAFETY, "locks", "what may not be opened, and why", limits.show_locks),
    _look(Group.DESK, "jobs", "what runs when, what failed or was missed; one job with its last runs", jobs.show,
          replace(JOB, required=False)),
    _look(Group.DESK, "whoami", "your name and role", run.whoami),
    _look(Group.DESK, "health", "what is not well, and how the service levels are kept", health.health,
          Parameter("view", Kind.CHOICE, "the service levels, or every part, in full", required=False,
                    choices=health.VIEWS)),
    Command("users", Role.ADMIN, "who is on the list and what they did last, and who was turned away", people.users,
            Group.DESK, is_private=True),
    Command("undelivered", Role.ADMIN, "messages that were given up: what, where, why; try again or let go",
            undelivered.undelivered, Group.DESK, is_private=True),
    Command("setup", Role.ADMIN, "set the desk up: what is to do, a test card to every channel, a first paper order",
            setup.setup, Group.DESK,
            (Parameter("step", Kind.CHOICE, "one step; the first that is not done when left out", required=False,
                       choices=tuple(Step)),),
            place=Place.SAME, is_private=True, is_still=True),
)  # fmt: skip

ACT = (
    Command("close", Role.TRADER, "close a position now, or so many units of it", closing.close, Group.TRADES,
            (POSITION,
             Parameter("units", Kind.INT, "how many units, all when left out", required=False, low=1, example="2")),
            acts=True, protects=True),
    Command("cancel", Role.TRADER, "take a working order off the market", act.cancel, Group.TRADES,
            (Parameter("order", Kind.TICKET, "an order's id, such as A00004.1"),), acts=True, place=Place.SAME,
            protects=True),
    Command("snooze", Role.TRADER, "let a proposal ask again later, at the prices of then, or an alert be silent",
            act.snooze, Group.TRADES,
            (Parameter("id", Kind.SLEEPER, "a proposal's or an alert's id, such as A00004 or N00012"),
             Parameter("minutes", Kind.MINUTES, "how long, such as 30 or 2h", required=False, rest=True, low=1,
                       high=1440, example="30")),
            acts=True, place=Place.SAME),
    Command("seen", Role.TRADER, "say that you look after an alert: it is not told louder", alerts.seen,
            Group.SAFETY, (replace(ALERT, summary="an alert's id, such as N00012, or a test card's"),),
            acts=True, place=Place.SAME),
    Command("size", Role.TRADER, "ask again with a smaller size", act.size, Group.TRADES,
            (SHOWN, Parameter("quantity", Kind.INT, "how many, fewer than the card's", low=1, example="1")),
            acts=True, place=Place.SAME),
    Command("myprice", Role.TRADER, "ask again at your own price, never passed", act.my_price, Group.TRADES,
            (SHOWN, Parameter("price", Kind.DECIMAL, "dollars a share, such as 1.05", example="1.05")),
            acts=True, place=Place.SAME),
    Command("envelope", Role.TRADER, "approve in advance what a strategy proposes inside these bounds",
            envelopes.create, Group.TRADES, (
                STRATEGY,
                Parameter("max_risk", Kind.DECIMAL, "most dollars of risk of one trade", low=1, example="2000"),
                Parameter("per_day", Kind.INT, "most trades a day", low=1, high=20, example="2"),
                Parameter("until", Kind.DATE, "its last day: friday, or 2026-11-27"),
                Parameter("structure", Kind.CHOICE, "only this kind of trade", required=False,
                          choices=tuple(envelopes.STRUCTURES)),
                Parameter("total", Kind.DECIMAL, "most dollars of risk of all its trades", required=False, low=1),
                Parameter("tickers", Kind.TICKER, "only these names", required=False, many=True),
            ), acts=True),
    Command("roll", Role.TRADER, "ways to roll a position: further out, out and down or up, or close it", life.roll,
            Group.TRADES, (POSITION,), acts=True),
    Command("note", Role.TRADER, "write something down, about a trade when it begins with an id", trail.note,
            Group.TRADES,
            (Parameter("text", Kind.TEXT, "an id of the trade if it is about one, then the text", rest=True,
                       example="P00003 rolls too often"),),
            acts=True, is_safe_late=True),
    Command("settings", Role.VIEWER, "your own settings: time zone, quiet hours, what is told to you, short cards",
            people.settings, Group.DESK,
            (Parameter("setting", Kind.CHOICE, "what to set", required=False, choices=tuple(WISHES), example="zone"),
             Parameter("value", Kind.TEXT, "its value: a time zone, hours or off, a topic", required=False, rest=True,
                       example="Europe/Berlin")),
            acts=True, place=Place.SAME, is_private=True, is_safe_late=True),
    Command("adopt", Role.TRADER, "take into the books what the broker holds", broker.adopt, Group.DESK, (QUESTION,),
            acts=True, place=Place.SAME),
    Command("ignore", Role.TRADER, "leave what the broker holds alone", broker.ignore, Group.DESK, (QUESTION,),
            acts=True, place=Place.SAME),
)  # fmt: skip

RUN = (
    Command("panic", Role.ADMIN, "freeze: no entries any more; flatten: close everything, after a second tap",
            panic.panic, Group.SAFETY,
            (Parameter("what", Kind.CHOICE, "freeze stops entries; flatten closes everything", required=False,
                       choices=("freeze", "flatten"), example="freeze"),), acts=True, is_safe_late=True, protects=True),
    Command("halt", Role.ADMIN, "stop all entries; exits go on", run.halt, Group.SAFETY,
            (Parameter("why", Kind.TEXT, "why", required=False, rest=True, example="news"),),
            acts=True, is_safe_late=True, protects=True),
    Command("resume", Role.ADMIN, "allow entries again", run.resume, Group.SAFETY, acts=True),
    Command("setlimit", Role.ADMIN, "set a limit: tighter at once, looser from the next session", limits.setlimit,
            Group.SAFETY, (
                Parameter("limit", Kind.TEXT, "a limit's name, such as daily_loss", example="daily_loss"),
                Parameter("value", Kind.TEXT, "its value: 2% or 0.02", rest=True, example="2%"),
            ), acts=True),
    Command("lock", Role.ADMIN, "stop entries of the desk, a strategy or a name; exits go on", limits.lock,
            Group.SAFETY,
            (
                Parameter("what", Kind.TEXT, "desk, a strategy or a ticker", example="AAPL"),
                Parameter("until", Kind.DATE, "the day from which it is free again", required=False, example="friday"),
                Parameter("why", Kind.TEXT, "why", required=False, rest=True),
            ), acts=True, is_safe_late=True, protects=True),
    Command("unlock", Role.ADMIN, "lift a lock", limits.unlock, Group.SAFETY,
            (Parameter("lock", Kind.TEXT, "a lock's id, such as L00012", example="L00012"),), acts=True),
    Command("runjob", Role.ADMIN, "run a job now, whenever it is due", jobs.run, Group.DESK, (JOB,), acts=True,
            is_private=True),
    Command("enable", Role.ADMIN, "let a strategy trade again", limits.enable, Group.SAFETY, (STRATEGY,), acts=True),
    Command("disable", Role.ADMIN, "stop a strategy's scans and entries for good; its exits go on", limits.disable,
            Group.SAFETY, (STRATEGY,), acts=True, is_safe_late=True, protects=True),
)  # fmt: skip


def _tap(name: str, summary: str, handler: Handler, *parameters: Parameter) -> Command:
    return Command(
        name,
        Role.TRADER,
        summary,
        handler,
        Group.SAFETY,
        (SHOWN, *parameters),
        acts=True,
        is_button=True,
        place=Place.SAME,
        is_safe_late=name == "reject",
    )


BUTTONS = (
    Command("flatten_now", Role.ADMIN, "the second tap: close everything", panic.flatten, Group.SAFETY, (FLATTEN,),
            acts=True, is_button=True, place=Place.SAME, protects=True),
    Command("flatten_again", Role.ADMIN, "try again what was not closed", panic.again, Group.SAFETY, (FLATTEN,),
            acts=True, is_button=True, place=Place.SAME, protects=True),
    Command("suspend", Role.ADMIN, "block every order at the broker, exits too", panic.suspend, Group.SAFETY,
            (FLATTEN,), acts=True, is_button=True, place=Place.SAME, protects=True),
    _tap("approve", "send this proposal's order", act.approve),
    _tap("confirm", "the second tap on live money", act.confirm),
    _tap("reject", "decline this proposal", act.reject, NOTE),
    _tap("half", "ask again with half the size", act.half),
    _tap("one", "ask again with one unit", act.one),
    _tap("better", "ask again at a better price", act.better),
    _tap("strike_up", "ask again one strike higher", act.strike_up),
    _tap("strike_down", "ask again one strike lower", act.strike_down),
    _tap("later", "ask again one expiry later", act.later),
    _tap("sooner", "ask again one expiry sooner", act.sooner),
    Command("bars", Role.VIEWER, "how full each limit is, as a picture", risks.bars, is_button=True, is_private=True),
    Command("heat", Role.VIEWER, "what everything held makes when prices and volatility move, as a picture", risks.heat,
            parameters=(Parameter("days", Kind.CHOICE, "calendar days ahead", required=False, choices=risks.DAYS),),
            is_button=True, is_private=True),
    Command("levels", Role.VIEWER, "a trade's chart: the share's price with entry, strikes and exits", pictures.levels,
            parameters=(TRADE,), is_button=True),
    Command("change", Role.VIEWER, "what else this proposal could be", act.change, parameters=(SHOWN,),
            is_button=True),
    Command("choose", Role.TRADER, "roll the way this button says", life.choose, Group.TRADES,
            (Parameter("roll", Kind.ROLL, "a roll's id, version and candidate"),),
            acts=True, is_button=True, place=Place.SAME),
    Command("close_now", Role.TRADER, "close it on live money, the second tap", closing.close_now, Group.TRADES,
            (POSITION,), acts=True, is_button=True, place=Place.SAME, protects=True),
    Command("retry", Role.TRADER, "try an exit again that did not get done", closing.retry, Group.TRADES,
            (POSITION,), acts=True, is_button=True, protects=True),
    Command("revoke", Role.TRADER, "end an envelope: nothing more is approved in advance by it", envelopes.revoke,
            Group.TRADES, (ENVELOPE,), acts=True, is_safe_late=True, is_button=True, protects=True),
    Command("permit", Role.ADMIN, "put an envelope on live money in force", envelopes.permit, Group.TRADES, (ENVELOPE,),
            acts=True, is_button=True, place=Place.SAME),
    Command("note_on", Role.TRADER, "write something down about this trade", trail.note_on, Group.TRADES,
            (Parameter("about", Kind.TEXT, "an id of the trade", example="P00003"),
             Parameter("text", Kind.TEXT, "what there is to say", rest=True)),
            acts=True, is_button=True, is_safe_late=True),
    Command("redeliver", Role.ADMIN, "try messages again that were given up there", undelivered.redeliver,
            parameters=(DESTINATION,), acts=True, is_button=True, place=Place.SAME, is_private=True),
    Command("let_go", Role.ADMIN, "let messages go that were given up there", undelivered.drop,
            parameters=(DESTINATION,), acts=True, is_button=True, place=Place.SAME, is_private=True),
    Command("test_card", Role.ADMIN, "send a test card to every channel", setup.send_card, acts=True, is_button=True,
            place=Place.SAME, is_private=True),
    Command("until_open", Role.TRADER, "an alert is silent until the next opening bell", alerts.until_open,
            Group.SAFETY, (ALERT,), acts=True, is_button=True, place=Place.SAME),
    Command("setup_scan", Role.ADMIN, "scan a strategy on paper and propose what passes", setup.scan,
            parameters=(STRATEGY,), acts=True, is_button=True, place=Place.SAME, is_private=True, is_long=True),
    Command("stop_work", Role.VIEWER, "end long work you asked for", people.stop,
            parameters=(Parameter("work", Kind.TEXT, "its id"),), acts=True, is_button=True, is_safe_late=True),
    Command("why", Role.VIEWER, "why this trade and this size", look.why, parameters=(PROPOSAL,), is_button=True),
    Command("show", Role.VIEWER, "one proposal as it stands", look.show, parameters=(PROPOSAL,), is_button=True),
    Command("refresh", Role.VIEWER, "the same card, drawn now", _refresh, is_button=True, place=Place.SAME,
            parameters=(Parameter("line", Kind.TEXT, "a command line", rest=True),)),
)  # fmt: skip

ALL = (*LOOK, *ACT, *RUN, *BUTTONS)

COMMANDS: Mapping[str, Command] = MappingProxyType({command.name: command for command in ALL})
