"""The shape of the project, held by a test: who may import whom, and a few measures of style.

To add a module to the engine, add one line to LAYERS. Everything else here follows from the tables.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import architecture as rules

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("alerts", "bot", "engine", "strategies")

# engine.model <- pure modules <- use cases <- brokers, data. An entry stands for a module or for all of a package.
LAYERS = {
    "errors": ("engine.errors",),
    "values": ("engine.model",),
    "pure": (
        "engine.aftermath",
        "engine.ages",
        "engine.backfill",
        "engine.benchmark",
        "engine.calendars",
        "engine.candidates",
        "engine.codec",
        "engine.correlation",
        "engine.exposures",
        "engine.happenings",
        "engine.hazards",
        "engine.indicators",
        "engine.latest",
        "engine.ledger",
        "engine.news",
        "engine.packages",
        "engine.pauses",
        "engine.payoff",
        "engine.percent",
        "engine.performance",
        "engine.pricing",
        "engine.projection",
        "engine.protection",
        "engine.redaction",
        "engine.refusals",
        "engine.reservations",
        "engine.results",
        "engine.risk",
        "engine.screening",
        "engine.sensitivities",
        "engine.sentiment",
        "engine.sessions",
        "engine.shortfall",
        "engine.sizing",
        "engine.stress",
        "engine.volatility",
    ),
    "ports": ("engine.meters", "engine.ports", "engine.streams", "engine.transport"),
    "use cases": (
        "engine.abilities",
        "engine.activities",
        "engine.adoption",
        "engine.agenda",
        "engine.coming",
        "engine.alarms",
        "engine.approvals",
        "engine.attempts",
        "engine.audit",
        "engine.backup",
        "engine.baseline",
        "engine.bounds",
        "engine.checks",
        "engine.closing",
        "engine.collars",
        "engine.comparison",
        "engine.consents",
        "engine.daily_stress",
        "engine.daytrades",
        "engine.desk",
        "engine.digests",
        "engine.drift",
        "engine.each",
        "engine.envelopes",
        "engine.exits",
        "engine.fills",
        "engine.gateway",
        "engine.grounds",
        "engine.halts",
        "engine.histories",
        "engine.holdings",
        "engine.imports",
        "engine.leadership",
        "engine.locks",
        "engine.looks",
        "engine.mending",
        "engine.missing",
        "engine.modelled",
        "engine.nets",
        "engine.orders",
        "engine.outside",
        "engine.panic",
        "engine.portfolio",
        "engine.promotions",
        "engine.quoted",
        "engine.reckoning",
        "engine.restore",
        "engine.risk_report",
        "engine.rolls",
        "engine.roster",
        "engine.scanning",
        "engine.schema",
        "engine.silence",
        "engine.standing",
        "engine.store",
        "engine.tidying",
        "engine.trail",
        "engine.triggers",
        "engine.variants",
        "engine.watch",
        "engine.wheel",
    ),
    "brokers": ("engine.brokers",),
    "data": ("engine.data",),
    "strategies": ("strategies",),
    "alerts": ("alerts",),
    "bot": ("bot",),
    "composition": ("bot.app", "bot.data_check", "bot.sources", "bot.upkeep"),
}

_VALUES = ("errors", "values")
_PURE = (*_VALUES, "pure")
_ENGINE = (*_PURE, "ports", "use cases")
MAY_IMPORT = {
    "errors": (),
    "values": _VALUES,
    "pure": _PURE,
    "ports": (*_VALUES, "ports"),
    "use cases": _ENGINE,
    "brokers": (*_ENGINE, "brokers"),
    "data": (*_ENGINE, "data"),
    "strategies": (*_PURE, "strategies"),
    "alerts": (*_ENGINE, "alerts"),
    "bot": (*_ENGINE, "strategies", "alerts", "bot", "composition"),
    "composition": (*_ENGINE, "brokers", "data", "strategies", "alerts", "bot", "composition"),
}

# Where a library comes in. Everything else asks the module behind the door.
DOORS = {
    "QuantLib": ("engine.pricing",),
    "alembic": ("engine.schema", "engine.store"),
    "alpaca": ("engine.brokers", "engine.data"),
    "apscheduler": ("alerts.scheduler",),
    "discord": ("bot.platforms",),
    "finnhub": ("engine.data.providers",),
    "massive": ("engine.data.providers",),
    "msgpack": ("engine.data",),
    "curl_cffi": ("engine.data.providers",),
    "exchange_calendars": ("engine.sessions",),
    "matplotlib": ("bot.charts",),
    "pyvolr": ("engine.pricing",),
    "sqlalchemy": ("engine.schema", "engine.store"),
    "strategies": ("bot", "strategies"),
    "talib": ("engine.indicators",),
    "telegram": ("bot.platforms",),
    "vollib": ("engine.pricing",),
    "websockets": ("engine.streams",),
    "yfinance": ("engine.data.providers",),
}

# Imports inside a function, (importer, imported): why it may not stand at the top.
LAZY = {
    ("bot.app", "engine.brokers.alpaca"): "takes a second and 60 MB; a desk on the paper exchange never needs it",
    ("bot.cli", "bot.console"): "`wsb --help` answers at once; a command loads what it needs when it is called",
    ("bot.cli", "engine.errors"): "as above: the engine's package loads with the command",
    ("bot.cli", "importlib.metadata"): "costs as much as the whole command line, to say a version",
    ("bot.app", "bot.platforms.discord_app"): "a desk that is not in Discord should not hold its library in memory",
    ("bot.app", "bot.platforms.telegram_app"): "as above",
    ("bot.app", "bot.platforms.web_front"): "who is not on the page needs no server for it",
    ("bot.sources", "engine.data.alpaca_ticks"): "as the next",
    ("bot.sources", "engine.data.providers.alpaca"): "takes a second and 60 MB; a desk without its keys never needs it",
    ("bot.sources", "engine.data.providers.alpaca_client"): "as above",
    (
        "bot.sources",
        "engine.data.providers.finnhub",
    ): "its library may not be there; a desk without its key never needs it",
    ("bot.sources", "engine.data.providers.massive"): "as above",
    ("bot.sources", "engine.data.providers.yahoo"): "takes a second and pandas; a desk may do without it",
    ("bot.charts.canvas", "matplotlib"): "takes most of a second; only a card with a picture needs it",
    (
        "engine.data.providers.yahoo_client",
        "engine.data.providers.yahoo_http",
    ): "takes a second and brings pandas and a browser's TLS; it is loaded by the thread that asks Yahoo",
    ("engine.indicators", "talib"): "what asks for no indicator should not wait for it",
    ("engine.pricing.early_exercise", "QuantLib"): "half a second and 90 MB; only a card with an American leg needs it",
    ("engine.pricing.kernels", "py_lets_be_rational"): "with pyvolr installed the desk never needs it",
    (
        "engine.pricing.kernels",
        "pyvolr",
    ): "what prices nothing should not wait for it; vollib stands in where it is missing",
    ("engine.pricing.kernels", "vollib"): "with pyvolr installed the desk never needs it",
    ("engine.sessions", "exchange_calendars"): "takes half a second and is not needed to answer `wsb --help`",
    ("engine.store.database", "alembic"): "takes a tenth of a second; only an upgrade of the schema needs it",
}

MAX_FILE = 600
MAX_FUNCTION = 60
VAGUE = ("Manager", "Helper", "Helpers", "Util", "Utils", "Base")

# Spelled in two halves, so that this file does not match itself.
FORBIDDEN_TEXT = {
    "names a path of one machine": r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|opt/py" + r"pi|opt/whe" + r"els|tmp/" + r"w)/",
    "names a package index": r"pypi\." + r"org|python" + r"hosted|npmjs\." + r"org|deb\." + r"debian",
}


@cache
def ours() -> dict[str, rules.Module]:
    return rules.read_modules(ROOT, PACKAGES)


@cache
def our_imports() -> tuple[rules.Import, ...]:
    return rules.all_imports(ours())


def tree(folder: Path, files: dict[str, str]) -> dict[str, rules.Module]:
    """The modules of a small project written to `folder`: path -> source."""
    for path, source in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return rules.read_modules(folder, sorted({path.partition("/")[0] for path in files}))


def none_of(complaints: rules.Complaints) -> None:
    """Every complaint in full, a line each."""
    assert not complaints, "\n" + "\n".join(complaints)


def test_every_module_has_a_place():
    none_of(rules.unplaced(ours(), LAYERS))


def test_every_place_is_taken():
    assert [entry for entries in LAYERS.values() for entry in entries if entry not in ours()] == []


def test_imports_point_one_way():
    none_of(rules.wrong_direction(our_imports(), LAYERS, MAY_IMPORT))


def test_no_import_hides_in_a_function():
    none_of(rules.lazy_imports(our_imports(), LAZY))


def test_every_exception_for_a_lazy_import_is_needed():
    none_of(rules.idle_exceptions(our_imports(), ours(), LAZY))


def test_libraries_come_in_by_their_door():
    none_of(rules.past_the_door(our_imports(), DOORS))


def test_no_modules_import_each_other():
    none_of(rules.cycles(our_imports()))


def test_files_are_short():
    none_of(rules.long_files(ours() | rules.read_modules(ROOT, ("bench", "tests")), MAX_FILE))


def test_functions_are_short():
    none_of(rules.long_functions(ours() | rules.read_modules(ROOT, ("bench",)), MAX_FUNCTION))


def test_class_names_say_what_the_class_is():
    none_of(rules.vague_classes(ours(), VAGUE))


@pytest.mark.parametrize("name", sorted({path.parent.name for path in ROOT.glob("*/*.py")}))
def test_root_name_shadows_no_package(name: str):
    assert name not in sys.stdlib_module_names
    assert set(packages_distributions().get(name, ())) <= {"wallstreetbots"}


def test_tracked_text_names_no_machine_and_no_index():
    none_of(rules.forbidden_text(tracked_texts(), FORBIDDEN_TEXT))


def tracked_texts() -> dict[str, str]:
    """The text of every tracked file that is text."""
    if not (ROOT / ".git").exists():
        pytest.skip("this copy of the source is not a git repository, so there is no list of tracked files")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    contents = {name: (ROOT / name).read_bytes() for name in listing.decode().split("\0") if (ROOT / name).is_file()}
    return {name: content.decode() for name, content in contents.items() if b"\0" not in content}


# The rest makes the checks prove that they can fail.


def complaints_about(folder: Path, files: dict[str, str]) -> list[str]:
    return rules.wrong_direction(rules.all_imports(tree(folder, files)), LAYERS, MAY_IMPORT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/model/trade.py", "from engine.risk import check"),
        ("engine/model/trade.py", "import engine.ports"),
        ("engine/errors.py", "from engine.model.trade import Leg"),
        ("engine/risk.py", "from engine import store"),
        ("engine/risk.py", "from . import store"),
        ("engine/ports.py", "from engine.risk import check"),
        ("engine/orders.py", "from engine.brokers.paper import PaperBroker"),
        ("engine/orders.py", "from strategies import CATALOGUE"),
        ("engine/orders.py", "import alerts.jobs"),
        ("engine/orders.py", "import bot"),
        ("engine/brokers/paper.py", "from engine.data.replay import ReplayMarket"),
        ("engine/data/replay.py", "from engine.brokers import paper"),
        ("strategies/wheel.py", "from engine.desk import Desk"),
        ("strategies/wheel.py", "from engine.ports import MarketData"),
        ("strategies/wheel.py", "import engine.data.replay"),
        ("alerts/jobs.py", "from bot.cards.holdings import card"),
        ("alerts/jobs.py", "from engine.brokers.paper import PaperBroker"),
        ("alerts/jobs.py", "from strategies import wheel"),
        ("bot/handlers/trade.py", "from engine.brokers.paper import PaperBroker"),
        ("bot/handlers/trade.py", "def late():\n    from engine.data import replay"),
    ],
)
def test_import_against_the_direction_is_found(tmp_path: Path, path: str, line: str):
    files = {"engine/store.py": "", "engine/brokers/paper.py": "", "engine/data/replay.py": "", path: line}

    assert len(complaints_about(tmp_path, files)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/model/instruments.py", "from engine.errors import BadRequest"),
        ("engine/risk.py", "from engine.model.trade import Leg"),
        ("engine/store.py", "from engine import risk"),
        ("engine/brokers/paper.py", "from engine.store import Store\nfrom engine.ports import Broker"),
        ("strategies/wheel.py", "from engine import pricing, payoff\nfrom engine.model import trade\nimport numpy"),
        ("alerts/jobs.py", "from engine import scanning"),
        ("bot/cards/holdings.py", "from engine import portfolio\nfrom strategies import CATALOGUE"),
        ("bot/app.py", "from engine.brokers.paper import PaperBroker\nimport engine.data.replay"),
    ],
)
def test_import_along_the_direction_is_let_through(tmp_path: Path, path: str, line: str):
    modules = ("risk", "pricing", "payoff", "scanning", "portfolio", "model/trade", "data/replay")

    assert complaints_about(tmp_path, {f"engine/{name}.py": "" for name in modules} | {path: line}) == []


def test_module_without_a_place_is_told_where_to_go(tmp_path: Path):
    modules = tree(tmp_path, {"engine/__init__.py": '"""The engine."""', "engine/novel.py": ""})

    assert rules.unplaced(modules, LAYERS) == [
        "engine.novel is in no layer: add it to LAYERS in tests/test_architecture.py"
    ]


def test_package_that_re_exports_needs_a_place_too(tmp_path: Path):
    modules = tree(tmp_path, {"engine/__init__.py": "from engine.risk import check", "engine/risk.py": ""})

    assert len(rules.unplaced(modules, LAYERS)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import pandas",
        "async def f():\n    from pandas import Series",
        "class C:\n    def f(self):\n        if self:\n            import pandas.io",
    ],
)
def test_import_inside_a_function_is_found(tmp_path: Path, source: str):
    found = rules.all_imports(tree(tmp_path, {"engine/risk.py": source}))

    assert len(rules.lazy_imports(found, LAZY)) == 1
    assert rules.lazy_imports(found, {("engine.risk", "pandas"): "a reason"}) == []


def test_import_at_the_top_is_not_called_lazy(tmp_path: Path):
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\nclass C:\n    import json"

    assert rules.lazy_imports(rules.all_imports(tree(tmp_path, {"engine/risk.py": source})), LAZY) == []


def test_exception_that_nothing_needs_is_found(tmp_path: Path):
    modules = tree(tmp_path, {"engine/risk.py": "import pandas"})

    assert len(rules.idle_exceptions(rules.all_imports(modules), modules, {("engine.risk", "pandas"): "a reason"})) == 1


def test_library_used_past_its_door_is_found(tmp_path: Path):
    found = rules.all_imports(
        tree(tmp_path, {"engine/risk.py": "import QuantLib", "engine/pricing.py": "import QuantLib"})
    )

    assert rules.past_the_door(found, DOORS) == ["engine.risk:1 imports QuantLib: only engine.pricing may"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from engine import orders", "from engine import store"),
        ("import engine.orders", "def late():\n    import engine.store"),
        (
            "from engine.orders import send",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .store import S",
        ),
    ],
)
def test_cycle_is_found(tmp_path: Path, first: str, second: str):
    found = rules.all_imports(tree(tmp_path, {"engine/store.py": first, "engine/orders.py": second}))

    assert len(rules.cycles(found)) == 1


def test_package_and_the_module_it_re_exports_are_a_cycle_only_when_both_import(tmp_path: Path):
    one_way = {"engine/model/__init__.py": "from engine.model.legs import Leg", "engine/model/legs.py": ""}
    both_ways = one_way | {"engine/model/legs.py": "from engine.model import Leg"}

    assert rules.cycles(rules.all_imports(tree(tmp_path / "a", one_way))) == []
    assert len(rules.cycles(rules.all_imports(tree(tmp_path / "b", both_ways)))) == 1


def test_long_file_and_long_function_are_found(tmp_path: Path):
    body = "\n".join(["    x = 1"] * MAX_FUNCTION)
    modules = tree(tmp_path, {"bot/long.py": "x = 1\n" * (MAX_FILE + 1), "bot/deep.py": f"def f():\n{body}\n"})

    assert len(rules.long_files(modules, MAX_FILE)) == 1
    assert rules.long_functions(modules, MAX_FUNCTION) == ["bot/deep.py:1 f has 61 lines, more than 60: split it"]


@pytest.mark.parametrize("name", ["OrderManager", "BaseBroker", "Base", "DateUtils", "HelperForOrders"])
def test_vague_class_name_is_found(tmp_path: Path, name: str):
    assert len(rules.vague_classes(tree(tmp_path, {"bot/a.py": f"class {name}: ..."}), VAGUE)) == 1


@pytest.mark.parametrize("name", ["Management", "Basement", "DatabaseUrl", "Utilisation"])
def test_class_name_that_merely_resembles_a_vague_one_is_let_through(tmp_path: Path, name: str):
    assert rules.vague_classes(tree(tmp_path, {"bot/a.py": f"class {name}(Base): ..."}), VAGUE) == []


@pytest.mark.parametrize(
    "text",
    [
        "see /wor" + "k/shared/x",
        '"/roo' + 't/a"',
        "--index-url https://py" + "pi.org/simple",
        "files.python" + "hosted.org",
    ],
)
def test_machine_path_or_index_in_a_text_is_found(text: str):
    assert len(rules.forbidden_text({"README.md": f"fine\n{text}\n"}, FORBIDDEN_TEXT)) == 1


def test_ordinary_paths_are_let_through():
    text = "bot/network/work/plan.md, /tmp/wsb/x, PyPI, https://example.org/work/"

    assert rules.forbidden_text({"README.md": text}, FORBIDDEN_TEXT) == []


def test_source_itself_spells_no_forbidden_text():
    source = Path(__file__).read_text(encoding="utf-8")

    assert not any(re.search(pattern, source) for pattern in FORBIDDEN_TEXT.values())


def test_a_percentage_is_written_one_way_everywhere() -> None:
    """`12.4 %`: made by `engine.percent`, or with the space spelled out."""
    unspaced = re.compile(r"[:}][-+,.0-9a-z{}]*%\}|\df?\}%[^A-Za-z]")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "percent.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if unspaced.search(line)
    ]

    assert found == []
