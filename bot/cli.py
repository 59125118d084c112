"""`wsb`: the words and options of every command. What they do is in `bot.console`, imported when one is called.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration. With --json one JSON object goes to standard output.
argparse, because `wsb --help` has to answer in a fifth of a second: importing a larger library alone takes that long.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from engine.redaction import clean

DESCRIPTION = "A trading desk in your chat: scans, sized and risk-checked proposals, taps, orders, fills and digests."
CHOICE = re.compile(r"(?:argument (?P<name>\S+): )?invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a sentence that names the word and suggests the nearest."""

    def error(self, message: str) -> NoReturn:
        wrong = CHOICE.fullmatch(message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong["known"])
            what = "a command" if wrong["name"] == "COMMAND" else f"possible for {wrong['name']}"
            message = f"“{wrong['word']}” is not {what}.{_nearest(wrong['word'], known)} Known: {', '.join(known)}."
        self.exit(2, f"wsb: {message}\n{self.format_usage()}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"“{text}” is not a date: expected YYYY-MM-DD") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a whole number from 1 up")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number") from error
    if not 0.1 <= speed <= 1_000_000:
        raise argparse.ArgumentTypeError(f"“{text}” is not between 0.1 and 1,000,000")
    return speed


def _demo(args: argparse.Namespace) -> int:
    from bot.console.demo import DemoOptions, demo

    if args.approve is None:
        args.approve = "all" if args.headless else "ask"
    return demo(DemoOptions(args.days, args.speed, args.seed, args.approve, args.headless), os.environ, args.json)


def _run(args: argparse.Namespace) -> int:
    from bot.console.run import at_once, run, when_free

    return run(args.config, os.environ, when_free if args.standby else at_once)


def _check(args: argparse.Namespace) -> int:
    from bot.console.check import check

    return check(args.config, os.environ, args.json)


def _ready(args: argparse.Namespace) -> int:
    from bot.console.ready import ready

    return ready(args.config, os.environ, args.alive, args.json)


def _ask(args: argparse.Namespace) -> int:
    from bot.console.ask import AskOptions, ask

    return ask(AskOptions(args.text, args.config, args.user, args.data, args.date), os.environ, args.json)


def _scan(args: argparse.Namespace) -> int:
    from bot.console.scan import ScanOptions, scan

    options = ScanOptions(args.strategy, tuple(args.tickers), args.data, args.date, args.config, args.at)
    return scan(options, os.environ, args.json)


def _record(args: argparse.Namespace) -> int:
    from bot.console.record import RecordOptions, record

    return record(RecordOptions(tuple(args.tickers), args.config, args.out), os.environ, args.json)


def _replay(args: argparse.Namespace) -> int:
    from bot.console.replay import ReplayCommand, replay

    options = ReplayCommand(
        args.data, args.start, args.end, args.strategies, args.approve, args.seed, args.db, args.config
    )
    return replay(options, os.environ, args.json)


def _import(args: argparse.Namespace) -> int:
    from bot.console.imports import import_file

    return import_file(args.file, args.config, os.environ, args.json)


def _upgrade(args: argparse.Namespace) -> int:
    from bot.console.database import UpgradeOptions, upgrade

    return upgrade(UpgradeOptions(args.config, args.no_backup), os.environ, args.json)


def _back_up(args: argparse.Namespace) -> int:
    from bot.console.database import back_up

    return back_up(args.config, os.environ, args.json)


def _backups(args: argparse.Namespace) -> int:
    from bot.console.database import backups

    return backups(args.config, os.environ, args.json)


def _put_back(args: argparse.Namespace) -> int:
    from bot.console.database import put_back

    return put_back(args.file, args.config, os.environ, args.json)


def _revision(args: argparse.Namespace) -> int:
    from bot.console.database import revision

    return revision(args.config, os.environ, args.json)


def _verify(args: argparse.Namespace) -> int:
    from bot.console.database import VerifyOptions, verify

    return verify(VerifyOptions(args.config, tuple(args.head), args.heads), os.environ, args.json)


Commands = argparse._SubParsersAction  # the type of what add_subparsers returns has no public name
Go = Callable[[argparse.Namespace], int]


def _command(commands: Commands[Parser], name: str, summary: str, go: Go) -> Parser:
    parser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.set_defaults(go=go, parser=parser, json=False)
    return parser


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else there")


def _config(parser: Parser, *, required: bool = False) -> None:
    parser.add_argument("--config", type=Path, required=required, metavar="FILE", help="the configuration (TOML)")


def _data(parser: Parser, *, required: bool = False) -> None:
    parser.add_argument("--data", type=Path, required=required, metavar="DIR", help="a folder of recorded days")


class _Version(argparse.Action):
    """Says which version this is; what knows it is imported when it is asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"wallstreetbots {version('wallstreetbots')}, Python {sys.version.split()[0]}")
        parser.exit()


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="wsb", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="the version of this program, and no more")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_journeys(commands)
    _add_questions(commands)
    _add_recording(commands)
    _add_upkeep(commands)
    return parser


def _add_journeys(commands: Commands[Parser]) -> None:
    demo = _command(commands, "demo", "the main job on embedded real prices: no account, key or server", _demo)
    demo.add_argument("--days", type=_at_least_one, default=60, metavar="N", help="trading sessions (60)")
    demo.add_argument("--speed", type=_speed, default=600.0, metavar="X", help="market seconds in a second (600)")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="of the simulated person's coin (1)")
    demo.add_argument("--approve", choices=("ask", "all", "none"), help="who answers: you, a yes-sayer, nobody")
    demo.add_argument("--headless", action="store_true", help="without the page, as fast as it goes")
    _json(demo)
    run = _command(commands, "run", "the bot: chat, schedule, engine and health in one process", _run)
    _config(run, required=True)
    run.add_argument("--standby", action="store_true", help="wait while another process runs this desk, take over then")
    replay = _command(commands, "replay", "the whole journey over recorded days; same inputs, same bytes", _replay)
    _data(replay, required=True)
    replay.add_argument("--from", dest="start", type=_day, required=True, metavar="DATE", help="the first day")
    replay.add_argument("--to", dest="end", type=_day, required=True, metavar="DATE", help="the last day")
    replay.add_argument("--strategies", type=_names, default=(), metavar="A,B", help="all enabled ones by default")
    replay.add_argument("--approve", choices=("all", "none"), default="all", help="who answers the cards (all)")
    replay.add_argument("--seed", type=int, default=1, metavar="N", help="of the simulated person's coin (1)")
    replay.add_argument("--db", metavar="URL", help="keep the run in this empty database")
    _config(replay)
    _json(replay)


def _add_questions(commands: Commands[Parser]) -> None:
    check = _command(commands, "check", "a doctor: configuration, keys, broker, data, database", _check)
    _config(check, required=True)
    _json(check)
    ready = _command(commands, "ready", "whether the desk that runs can trade: one line and an exit code", _ready)
    _config(ready, required=True)
    ready.add_argument("--alive", action="store_true", help="whether it lives, even if it stands by or cannot trade")
    _json(ready)
    ask = _command(commands, "ask", "one chat command, answered as a text card", _ask)
    ask.add_argument("text", help='a chat command, such as "/risk"')
    _config(ask)
    ask.add_argument("--as", dest="user", default="", metavar="USER", help="who asks: a name from the configuration")
    _data(ask)
    ask.add_argument("--date", type=_day, metavar="DATE", help="a day of the folder, its last by default")
    _json(ask)
    scan = _command(commands, "scan", "signals, sized plans and the funnel; nothing is stored or sent", _scan)
    scan.add_argument("strategy", metavar="STRATEGY", help="a strategy's name")
    scan.add_argument("tickers", nargs="*", metavar="TICKER", help="only these names")
    _data(scan)
    scan.add_argument("--date", type=_day, metavar="DATE", help="a day of the folder, its last by default")
    scan.add_argument(
        "--at",
        default="",
        metavar="TIME",
        help="New York time (10:05:30) of recorded live prices, their last by default",
    )
    _config(scan)
    _json(scan)


def _add_recording(commands: Commands[Parser]) -> None:
    record = _command(commands, "record", "write down what is known of names now, to scan it again later", _record)
    record.add_argument("tickers", nargs="*", metavar="TICKER", help="these names, the configured ones by default")
    _config(record, required=True)
    record.add_argument("--out", type=Path, metavar="DIR", help="the folder, [data] record by default")
    _json(record)


def _add_upkeep(commands: Commands[Parser]) -> None:
    portfolio = _command(commands, "import", "take over an old JSON portfolio, once", _import)
    portfolio.add_argument("file", type=Path, metavar="portfolio.json", help="the file")
    _config(portfolio)
    _json(portfolio)
    schema = _add_database(commands)
    audit = commands.add_parser("audit", help="the hash chain over everything that happened", allow_abbrev=False)
    chain = audit.add_subparsers(metavar="COMMAND", required=True)
    verify = _command(chain, "verify", "whether the chain holds; names the first bad event", _verify)
    verify.add_argument(
        "--head", action="append", default=[], metavar="NUMBER:HASH", help="one that a digest showed; may be repeated"
    )
    verify.add_argument("--heads", type=Path, metavar="FILE", help="every head in this file, such as the desk's log")
    for parser in (*schema, verify):
        _config(parser)
        _json(parser)


def _add_database(commands: Commands[Parser]) -> tuple[Parser, ...]:
    db = commands.add_parser("db", help="the database: its schema and its backups", allow_abbrev=False)
    said = db.add_subparsers(metavar="COMMAND", required=True)
    upgrade = _command(said, "upgrade", "create the database or bring it to this program's revision", _upgrade)
    upgrade.add_argument("--no-backup", action="store_true", help="even where it cannot be backed up before")
    put_back = _command(said, "restore", "put a backup in the place of the database, which is put aside", _put_back)
    put_back.add_argument("file", type=Path, metavar="FILE", help="a backup: `wsb db backups` lists them")
    return (
        upgrade,
        _command(said, "revision", "the revision of the database", _revision),
        _command(said, "backup", "back the database up now, while the desk runs", _back_up),
        _command(said, "backups", "the backups there are", _backups),
        put_back,
    )


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command and its options; an unknown option is an error that names the nearest."""
    parser = build_parser()
    args, extra = parser.parse_known_args(words)
    if hasattr(args, "tickers") and not any(word.startswith("-") for word in extra):
        args.tickers, extra = [*args.tickers, *extra], []  # argparse takes names before the options only
    if extra:
        chosen: Parser = getattr(args, "parser", parser)
        option = extra[0].split("=")[0]
        chosen.error(f"“{option}” is not an option here.{_nearest(option, chosen._option_string_actions)}")
    return args


def tell_broken(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """A bug's traceback on standard error, without secrets: a library's error may name an address with a key."""
    sys.stderr.write(clean("".join(traceback.format_exception(kind, problem, trace))))


def main(words: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the `wsb` command: an error a person can act on is one sentence on standard error."""
    args = parse(words)
    # The engine's errors and everything behind them load here, so that --help answers at once.
    from engine.errors import BadRequest, ConfigError, DeskError, NotFound

    sys.excepthook = tell_broken
    try:
        code = args.go(args)
    except DeskError as problem:
        code = 2 if isinstance(problem, BadRequest | ConfigError | NotFound) else 1
        said = clean(str(problem))
        sys.stderr.write(f"wsb: {said}\n")
        if args.json:
            from bot.console.output import emit

            emit({"error": said})
    sys.exit(code)
