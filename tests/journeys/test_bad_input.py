"""What a user can get wrong at the command line: a sentence that names it, the exit code, and nothing lost."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from strategies import CATALOGUE
from tests.journeys.many import Command, run_all
from tests.journeys.program import DATA, Run, wsb
from tests.shared import needs_shared

pytestmark = [needs_shared, pytest.mark.timeout(300)]

NAMES = ("AAPL", "CSCO", "F", "INTC", "IWM", "KO", "PYPL", "SPY")
FIRST, LAST = date(2017, 9, 1), date(2019, 1, 31)
DAY = ("--date", "2019-01-02")
WINDOW = ("--from", "2019-01-02", "--to", "2019-01-03")
ADMIN = '[[users]]\nname = "ann"\nrole = "admin"\nids = ["web:ann"]\n'


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight names and seventeen months of the recorded folder, so that every command answers within a second or two."""
    folder = tmp_path_factory.mktemp("small")
    bars = pq.read_table(DATA / "daily_bars.parquet")
    days = bars.column("date")
    wanted = pc.is_in(pc.cast(bars.column("ticker"), pa.string()), pa.array(NAMES))
    within = pc.and_(pc.greater_equal(days, FIRST), pc.less_equal(days, LAST))
    pq.write_table(bars.filter(pc.and_(wanted, within)), folder / "daily_bars.parquet")
    for name in ("splits.csv", "earnings.csv", "fed_primary_credit_rate.csv"):
        (folder / name).write_bytes((DATA / name).read_bytes())
    with gzip.open(DATA / "dividends.csv.gz", "rt") as rows, gzip.open(folder / "dividends.csv.gz", "wt") as kept:
        kept.writelines(row for row in rows if row.startswith(("ticker,", *(f"{name}," for name in NAMES))))
    return folder


def failed(run: Run, code: int = 2) -> str:
    """The sentence of a command that ended with `code` and printed nothing."""
    assert run.code == code, run.err
    assert run.out == ""
    assert run.problem.startswith("wsb: ")
    return run.problem


@dataclass(frozen=True)
class Case:
    """Words that must be refused. `{small}`, `{ibm}`, `{newer}` stand for folders; `make` changes the one of IBM."""

    words: str
    sentence: str
    code: int = 2
    config: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    make: Callable[[Path], None] | None = None


SPAN = "The recorded data run from 2017-09-01 to 2019-01-31"
REPLAY_SMALL = "replay --data {small} --from 2019-01-02 --to 2019-01-03"
SCAN_IBM = "scan wheel --data {ibm} --date 2019-01-02"

WORDS = (
    Case("sacn wheel", "“sacn” is not a command. Did you mean scan?"),
    Case("replay --stategies wheel", "--data, --from, --to"),
    Case("scan wheel --confg x", "“--confg” is not an option here. Did you mean --config?"),
    Case("scan whele", f"“whele” is not an enabled strategy. Did you mean wheel? Enabled: {', '.join(CATALOGUE)}."),
    Case("scan index_baseline", "index_baseline is a report: it trades and scans nothing."),
    Case("scan wheel --data nowhere", "The data folder “nowhere” does not exist."),
    Case(
        "scan wheel --data {newer}/old.json", "old.json” is a file: expected the folder that holds daily_bars.parquet."
    ),
    Case("replay --data nowhere --from 2019-01-02 --to 2019-01-03", "The data folder “nowhere” does not exist."),
    Case("run", "--config"),
    Case("ask /risk --as bob", "--as: nobody is called “bob”."),
)
DAYS = (
    Case("scan wheel --date 2019-02-30", "“2019-02-30” is not a date: expected YYYY-MM-DD"),
    Case("scan wheel --date yesterday", "“yesterday” is not a date: expected YYYY-MM-DD"),
    Case("replay --data x --from 2019-02-01 --to 2019-01-02", "--to 2019-01-02 is before --from 2019-02-01"),
    Case("scan wheel --data {small} --date 2019-01-05", "2019-01-05 is not a trading session; the next is 2019-01-07."),
    Case("replay --data {small} --from 2019-01-05 --to 2019-01-06", "no trading session from 2019-01-05 to 2019-01-06"),
    Case("scan wheel --data {small} --date 2030-01-02", f"{SPAN}; 2030-01-02 is not among them."),
    Case("ask /risk --data {small} --date 2017-08-31", f"{SPAN}; 2017-08-31 is not among them."),
    Case("replay --data {small} --from 2030-01-02 --to 2030-01-03", f"{SPAN}; 2030-01-02 is not among them."),
    Case("replay --data {small} --from 2019-01-30 --to 2019-02-28", f"{SPAN}; 2019-02-28 is not among them."),
    Case("replay --data {small} --from 2019-01-30 --to 2019-02-04", f"{SPAN}; 2019-02-04 is not among them."),
    Case("replay --data {small} --from 1985-01-02 --to 2019-01-03", f"{SPAN}; 1985-01-02 is not among them."),
)
NAMED = (
    Case("scan wheel INTL --data {small} --date 2019-01-02", "“INTL” has no data on 2019-01-02. Did you mean INTC?"),
    Case("scan wheel --data {small} --date 2019-01-02 APPL", "“APPL” has no data on 2019-01-02. Did you mean AAPL?"),
    Case(
        "scan wheel A_P --data {small} --date 2019-01-02",
        "“A_P” is not a ticker: expected one to six letters, such as AAPL.",
    ),
    Case(f"{REPLAY_SMALL} --strategies wheel,wsb_dpi", "“wsb_dpi” is not an enabled strategy. Did you mean wsb_dip?"),
    Case(f"{REPLAY_SMALL} --db mysql://here/x", "names mysql: expected sqlite:/// or postgresql://"),
)
KEYS = tuple(
    Case("scan wheel --config config.toml", sentence, config=text)
    for text, sentence in (
        ("[risk]\nmax_positon_risk = 0.1\n", "Unknown key risk.max_positon_risk (did you mean max_position_risk?)"),
        ("[risks]\n", "Unknown section [risks] (did you mean risk?)"),
        ("[risk]\nmax_position_risk = 7\n", "risk.max_position_risk = 7 should be a fraction"),
        ("[strategies.wheel]\nput_dleta = 0.2\n", "has no key “put_dleta”. Did you mean “put_delta”?"),
        ("[strategies.whel]\nenabled = true\n", "There is no strategy “whel”. Did you mean “wheel”?"),
        ("[risk\n", "config.toml is not valid TOML"),
    )
)
NO_SOURCE = "No live data source is configured"
SETTINGS = (
    Case("scan wheel", "risk.max_positon_risk", variables={"WSB__RISK__MAX_POSITON_RISK": "0.1"}),
    Case("scan wheel", "a tenth", variables={"MAX_POSITION_RISK": "a tenth"}),
    Case("run --config config.toml", NO_SOURCE, config=ADMIN),
    Case("scan wheel", f"{NO_SOURCE}, so there is nothing to scan: name recorded days with --data"),
)
NEWER = tuple(
    Case(f"{words} --config {{newer}}/config.toml", "has revision 9999, newer than this program's")
    for words in ("db upgrade", "db revision", "ask /risk", "audit verify", "import {newer}/old.json")
)


def cells(**columns: list[Any]) -> Callable[[Path], None]:
    """Other columns in the three bars of IBM; an empty one is left out."""

    def change(folder: Path) -> None:
        bars = {name: column for name, column in (IBM | columns).items() if column}
        pq.write_table(pa.table(bars), folder / "daily_bars.parquet")

    return change


def no_rows(folder: Path) -> None:
    """Daily bars with their columns and not one row."""
    bars = pq.read_table(folder / "daily_bars.parquet")
    pq.write_table(bars.slice(0, 0), folder / "daily_bars.parquet")


def file(name: str, text: str) -> Callable[[Path], None]:
    """One more file beside the bars."""

    def write(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return write


IBM: dict[str, list[Any]] = {
    "ticker": ["IBM"] * 3,
    "date": [date(2019, 1, 2), date(2019, 1, 3), date(2019, 1, 4)],
    "open": [112.0, 114.5, 114.9],
    "high": [115.9, 114.9, 117.5],
    "low": [111.7, 112.7, 114.4],
    "close": [115.2, 112.9, 117.3],
    "volume": [4_239_900, 4_346_700, 4_477_800],
}
CELLS = tuple(
    Case(SCAN_IBM, sentence, code=1, make=make)
    for make, sentence in (
        (cells(close=[115.2, None, 117.3]), "daily_bars.parquet, row 2, column close: a missing value is no number"),
        (cells(low=[111.7, 112.7, -1.0]), "daily_bars.parquet, row 3, column low: -1 is no price above zero"),
        (cells(high=[115.9, 100.0, 117.5]), "daily_bars.parquet, row 2, column high: 100 is below the low"),
        (cells(open=["112", "one", "114.9"]), "daily_bars.parquet, row 2, column open: “one” is no number"),
        (cells(date=[date(2019, 1, 2)] * 3), "daily_bars.parquet, row 2, column date: 2019-01-02 is there twice"),
        (cells(volume=[]), "daily_bars.parquet: column volume is missing; its columns are ticker, date, open"),
        (file("splits.csv", "ticker,ex_date,ratio\nIBM,2019-02-30,2\n"), "splits.csv, row 1 (line 2), column ex_date"),
        (file("splits.csv", "ticker,ex_date,ratio\nIBM,2019-02-01,2,\n"), "splits.csv, row 1 (line 2), column ratio"),
        (file("earnings.csv", "ticker,report_date,when\nIBM,2019-01-22,noon\n"), "row 1 (line 2), column when: “noon”"),
        (file("dividends.csv.gz", "not gzip"), "dividends.csv.gz cannot be read"),
        (file("option_chains.parquet", "not parquet"), "option_chains.parquet is no readable Parquet file"),
    )
)
NO_BARS = (
    Case("scan wheel --data {ibm}", "hold no trading day", make=no_rows),
    Case(SCAN_IBM, "has no daily_bars.parquet, which is required", make=lambda f: (f / "daily_bars.parquet").unlink()),
)
CASES = (*WORDS, *DAYS, *NAMED, *KEYS, *SETTINGS, *CELLS, *NO_BARS, *NEWER)


@pytest.fixture(scope="module")
def told(small: Path, newer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Run, list[str]]]:
    """What every case said, and which files it left in the folder it stood in."""
    places = [tmp_path_factory.mktemp(f"case{number}") for number in range(len(CASES))]
    runs = run_all(command(case, place, small, newer) for case, place in zip(CASES, places, strict=True))
    left = ([item.name for item in place.iterdir() if item.name not in ("ibm", "config.toml")] for place in places)
    return {id(case): (run, files) for case, run, files in zip(CASES, runs, left, strict=True)}


def command(case: Case, place: Path, small: Path, newer: Path) -> Command:
    """The case's command, in a folder with the files it needs."""
    if case.config is not None:
        (place / "config.toml").write_text(case.config, encoding="utf-8")
    ibm = place / "ibm"
    ibm.mkdir()
    cells()(ibm)
    if case.make is not None:
        case.make(ibm)
    folders = {"{small}": str(small), "{ibm}": str(ibm), "{newer}": str(newer)}
    words = case.words.split()
    for name, path in folders.items():
        words = [word.replace(name, path) for word in words]
    return Command(tuple(words), str(place), case.variables)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.words}: {case.sentence}"[:70])
def test_what_is_wrong_is_named_in_a_sentence_and_nothing_is_left(
    case: Case, told: dict[int, tuple[Run, list[str]]]
) -> None:
    run, files = told[id(case)]

    assert case.sentence in failed(run, case.code)
    assert files == []


def test_the_same_goes_for_a_process_of_its_own(tmp_path: Path) -> None:
    sentence = failed(wsb("scan", "whele", cwd=tmp_path))

    assert "“whele” is not an enabled strategy. Did you mean wheel?" in sentence


def test_with_json_the_sentence_is_the_one_object_on_standard_output(tmp_path: Path) -> None:
    run = wsb("scan", "wheel", "--json", cwd=tmp_path)

    assert run.code == 2
    assert run.body.keys() == {"error"}
    assert run.body["error"].startswith("No live data source is configured")
    assert run.body["error"] in run.problem


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that a later version of the program has upgraded, with a configuration that names it."""
    folder = tmp_path_factory.mktemp("newer")
    (folder / "config.toml").write_text(f'[database]\nurl = "sqlite:///{folder}/desk.db"\n{ADMIN}', encoding="utf-8")
    assert wsb("db", "upgrade", "--config", "config.toml", cwd=folder).code == 0
    with sqlite3.connect(folder / "desk.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    (folder / "old.json").write_text('{"positions": [], "trades": []}', encoding="utf-8")
    (folder / "before.txt").write_text(dump(folder / "desk.db"), encoding="utf-8")
    return folder


def test_a_newer_database_is_as_it_was_and_the_way_on_is_told(
    newer: Path, told: dict[int, tuple[Run, list[str]]]
) -> None:
    for case in NEWER:
        sentence = told[id(case)][0].err
        assert "nothing was changed. Upgrade wallstreetbots, or restore the backup made before" in sentence
    assert dump(newer / "desk.db") == (newer / "before.txt").read_text(encoding="utf-8")


def dump(file: Path) -> str:
    """The whole database as statements."""
    database = sqlite3.connect(file)
    try:
        return "\n".join(database.iterdump())
    finally:
        database.close()


def test_the_doctor_reports_a_newer_database_as_a_failure(newer: Path) -> None:
    run = wsb("check", "--config", "config.toml", "--json", cwd=newer)

    assert run.code == 1
    states = {row["part"]: row for row in run.body["checks"]}
    assert states["database"]["state"] == "fail"
    assert "newer than this program's" in states["database"]["words"]


QUESTIONS = {
    "/riks": "“/riks” is not a command. Did you mean /risk?",
    "/quote INTL": "“INTL” is not a ticker the replay data knows. Did you mean INTC?",
    "/scan wheeel": "“wheeel” is not a strategy here. Did you mean wheel?",
    "/position P00001": "There is no position “P00001”",
    "/approve A00001.1": "A00001",
}


def test_wrong_questions_are_answered_in_words_and_end_with_1(small: Path, tmp_path: Path) -> None:
    asked = [Command(("ask", text, "--data", str(small), *DAY), str(tmp_path)) for text in QUESTIONS]

    for run, sentence in zip(run_all(asked), QUESTIONS.values(), strict=True):
        assert run.code == 1
        assert sentence in run.out
        assert run.out.startswith("REPLAY 2019-01-02, recorded prices\n")
        assert run.err == ""
    assert list(tmp_path.iterdir()) == []


SCAN = ("asof", "strategy", "universe", "funnel", "not_checked", "signals", "rejected")
SIGNAL = {
    "ticker", "legs", "limit", "quantity", "max_loss", "max_gain", "breakevens", "pop", "pop_method", "greeks",
    "reasons", "against", "exit_plan", "data",
}  # fmt: skip


def test_a_scan_prints_the_promised_keys_and_stores_nothing(small: Path, tmp_path: Path) -> None:
    run = wsb("scan", "wheel", "--data", small, *DAY, "--json", cwd=tmp_path)

    body = run.body
    assert run.code == 0
    assert tuple(body) == SCAN
    assert body["strategy"] == "wheel"
    assert {tuple(line) for line in body["funnel"]} == {("rule", "limit", "removed", "left")}
    assert {tuple(row) for row in body["rejected"]} == {("ticker", "rule", "value", "limit")}
    assert body["signals"], "INTC, CSCO and F had puts to sell that day"
    assert all(signal.keys() >= SIGNAL for signal in body["signals"])
    assert body["universe"] == len(NAMES) == len(body["signals"]) + len(body["rejected"])
    assert list(tmp_path.iterdir()) == []


def test_risk_of_an_empty_desk_is_a_text_card(small: Path, tmp_path: Path) -> None:
    run = wsb("ask", "/risk", "--data", small, *DAY, cwd=tmp_path)

    assert run.code == 0
    assert run.out.splitlines()[:2] == ["REPLAY 2019-01-02, recorded prices", "Risk"]
    assert "100,000.00" in run.out


def test_names_may_stand_after_the_options(small: Path, tmp_path: Path) -> None:
    run = wsb("scan", "wheel", "--data", small, *DAY, "INTC", "KO", "--json", cwd=tmp_path)

    assert run.body["universe"] == 2


def test_a_question_about_a_desk_that_holds_something_expires_and_sells_nothing(small: Path, tmp_path: Path) -> None:
    """Asked without a date it answers for the desk's own last day, and asked for a later one it only looks."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    days = ("--from", "2018-12-14", "--to", "2018-12-17", "--strategies", "wheel")
    replayed = wsb("replay", "--data", small, *days, "--db", url, "--json", cwd=tmp_path)
    at_exchange = table(tmp_path / "desk.db", "paper")

    asked = wsb("ask", "/account", "--data", small, cwd=tmp_path, DATABASE_URL=url)
    later = wsb("ask", "/positions", "--data", small, "--date", "2019-01-31", cwd=tmp_path, DATABASE_URL=url)

    assert replayed.body["positions"] > 0
    assert asked.out.startswith("REPLAY 2018-12-17, recorded prices\nAccount\n")
    assert later.code == 0
    assert table(tmp_path / "desk.db", "paper") == at_exchange


def table(file: Path, name: str) -> list[Any]:
    """Every row of one table."""
    database = sqlite3.connect(file)
    try:
        return sorted(database.execute(f"SELECT * FROM {name}").fetchall())
    finally:
        database.close()


def test_a_second_replay_into_a_history_is_refused_and_the_history_stays_as_it_was(small: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    first = wsb("replay", "--data", small, *WINDOW, "--db", url, "--json", cwd=tmp_path)
    before = dump(tmp_path / "desk.db")

    sentence = failed(wsb("replay", "--data", small, *WINDOW, "--db", url, cwd=tmp_path))

    assert first.code == 0
    assert "holds a desk's history already: give the replay a database of its own" in sentence
    assert dump(tmp_path / "desk.db") == before
