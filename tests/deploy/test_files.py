"""What a desk is run and watched with: every file is valid, and names only what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from alerts.metrics import OF_THE_DESK, OF_THE_PROCESS
from alerts.rules import RULES as OWN_RULES
from bot.catalogue import COMMANDS
from bot.cli import parse
from engine import meters
from tests.journeys.program import MEMORY
from tests.programs import dev_tool, prometheus, systemd_analyze

ROOT = Path(__file__).parents[2]
DEPLOY, RUNBOOKS = ROOT / "deploy", ROOT / "docs" / "runbooks"
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
RULES_TESTS = tuple(sorted((DEPLOY / "prometheus").glob("rules_*test.yml")))
ALERTS = re.findall(r"- alert: (\w+)", RULES)
RECORDS = set(re.findall(r"- record: (\S+)", RULES))
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def told() -> set[str]:
    """The names of everything the desk tells Prometheus."""
    counted = (
        meters.UP,
        meters.REQUESTS,
        meters.SECONDS,
        meters.DROPPED,
        meters.ERRORS,
        meters.DELIVERY,
        meters.EXECUTION,
    )
    names = {sample.name for each in counted for sample in each.collect()} | {each.name for each in OF_THE_DESK}
    names |= {each.name for each in OF_THE_PROCESS} | {"api_requests_total", "system_errors_total", "wsb_provider_up"}
    return names


def asked(text: str) -> set[str]:
    """The names of metrics in expressions, without what a histogram adds."""
    found = re.findall(
        r"\b(?:wsb_\w+|api_request\w+|system_errors\w*|trades_executed_total|trade_pnl\w*|position_risk\w+)", text
    )
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


def run(*words: object) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_every_alert_fires_and_ends() -> None:
    program = prometheus("promtool")
    run(program, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    run(program, "test", "rules", *RULES_TESTS)


def test_every_alert_has_its_test_and_its_page() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in RULES_TESTS)
    assert len(ALERTS) == len(set(ALERTS)) > 30
    assert [name for name in ALERTS if f'alertname="{name}"' not in tests] == []
    pages = re.findall(r"runbook: (\S+)", RULES)
    assert len(pages) == len(ALERTS)
    assert [page for page in pages if not (ROOT / page).is_file()] == []
    assert [rule.name for rule in OWN_RULES if not (RUNBOOKS / f"{rule.name}.md").is_file()] == []


def test_rules_and_dashboard_ask_for_nothing_the_desk_does_not_tell() -> None:
    histograms = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in told()}
    known = told() | histograms | {"api_request_duration_seconds", "trade_pnl", "wsb_is_leader"}
    assert asked(RULES + " ".join(EXPRESSIONS)) - known == set()
    used = {name for text in EXPRESSIONS for name in re.findall(r"wsb:[\w:]+", text)}
    assert used - RECORDS == set()


def test_the_dashboard_is_one_page_of_queries_that_prometheus_can_read(tmp_path: Path) -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])
    rules = "".join(f"      - record: q{n}\n        expr: {json.dumps(text)}\n" for n, text in enumerate(EXPRESSIONS))
    file = tmp_path / "queries.yml"
    file.write_text(f"groups:\n  - name: dashboard\n    rules:\n{rules}", encoding="utf-8")
    run(prometheus("promtool"), "check", "rules", file)


def texts() -> list[Path]:
    return [*sorted(RUNBOOKS.glob("*.md")), ROOT / "docs" / "operations.md"]


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.stem)
def test_a_page_names_commands_and_files_that_there_are(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"`/(\w+)(?: [^`]*)?`", text)) - COMMANDS.keys() == set()
    typed = re.findall(r"^ {4,}(?:.* )?wsb (\w.*?)(?: +#.*)?$", text, re.M)
    for line in [*re.findall(r"`wsb ([^`]*)`", text), *typed]:
        words = line.replace("FILE", "file").split()
        needed = ["--config", "file"] if words[0] in ("check", "run", "ready") and "--config" not in words else []
        parse([*words, *needed])
    assert [
        path for path in re.findall(r"`(deploy/[\w./-]+)`", text) if not (ROOT / path).exists() and path not in LATER
    ] == []


LATER = {"deploy/config.toml", "deploy/secrets/"}
"""What whoever runs it puts there."""


def test_the_service_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = systemd_analyze()
    unit = (DEPLOY / "systemd" / "wallstreetbots.service").read_text(encoding="utf-8")
    here = tmp_path / "wallstreetbots.service"
    here.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit, flags=re.M), encoding="utf-8")
    done = subprocess.run([program, "verify", here], capture_output=True, text=True, check=False)
    assert (done.returncode, "Unknown" in done.stderr, "wallstreetbots.service:" in done.stderr) == (0, False, False)
    assert {"Type=notify", "WatchdogSec=60", "Restart=on-failure", "NoNewPrivileges=yes"} <= set(unit.splitlines())


@pytest.mark.parametrize("file", ["systemd/wallstreetbots.service", "Containerfile"])
def test_a_process_that_runs_for_weeks_gives_freed_memory_back(file: str) -> None:
    text = (DEPLOY / file).read_text(encoding="utf-8")
    assert [f"{name}={value}" for name, value in MEMORY.items() if f"{name}={value}" not in text] == []


@pytest.mark.parametrize(
    ("named", "database"), [("", "sqlite:///desk.db"), ("sqlite:///drill.db", "sqlite:///drill.db")]
)
def test_wsb_beside_the_service_has_its_secrets_and_its_configuration(
    tmp_path: Path, named: str, database: str
) -> None:
    script = (DEPLOY / "systemd" / "wsb").read_text(encoding="utf-8")
    script = script.replace("/var/lib/wallstreetbots", str(tmp_path)).replace("/etc/wallstreetbots", str(tmp_path))
    script = script.replace("runuser --user wallstreetbots --", "").replace(
        "/opt/wallstreetbots/.venv/bin/wsb", """sh -c 'echo "$TOKEN|$DATABASE_URL|$*"' wsb"""
    )
    (tmp_path / "secrets.env").write_text("# keys\nTOKEN=a b$c&d\nDATABASE_URL=sqlite:///desk.db", encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", script, "wsb", "db", "restore", "a file"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": named},
        check=True,
    )
    assert done.stdout == f"a b$c&d|{database}|db restore a file --config {tmp_path}/config.toml\n"


def test_the_linter_of_container_files_finds_nothing_in_ours() -> None:
    run(dev_tool("hadolint"), "--no-color", DEPLOY / "Containerfile")


def test_the_compose_file_keeps_to_the_schema_of_its_format() -> None:
    run(dev_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yml")


def test_every_secret_and_volume_of_the_containers_is_declared_and_used() -> None:
    compose = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    used, declared = re.findall(r"^ +secrets: \[(.+)\]", compose, re.M), re.findall(r"^  (\w+): \{file:", compose, re.M)
    assert {name for line in used for name in line.split(", ")} == set(declared)
    told = re.sub(
        r"^ *#.*$", "", (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"), flags=re.M
    )
    assert set(re.findall(r"/run/secrets/(\w+)", compose + told)) == set(declared)
    volumes = compose.rpartition("\nvolumes:\n")[2]
    assert set(re.findall(r"- (\w+):/", compose)) == set(re.findall(r"^  (\w+):$", volumes, re.M)) != set()


def test_containers_are_pinned_run_as_nobody_special_and_are_reached_from_this_machine_only() -> None:
    compose = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    image = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    images = [*re.findall(r"image: (\S+)", compose), *re.findall(r"^FROM (\S+)", image, re.M)]
    assert [name for name in images if not re.search(r":(v?\d+\.\d+|local)", name)] == []
    ports = re.findall(r'ports: \["([^"]+)"', compose)
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert "--require-hashes" in image
    assert "USER 10001" in image
    assert "HEALTHCHECK" in image
    assert not re.search(r"(password|token|secret_key|PASSWORD): [\"']?\w", compose)
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", image, re.M) for word in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    mounted = re.findall(r"- \./([^:]+):", compose)
    assert [name for name in mounted if not (DEPLOY / name).exists() and f"deploy/{name}" not in LATER] == []
