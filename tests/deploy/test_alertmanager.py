"""Who tells people that the desk is dead: Alertmanager with the shipped files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.watchmen import DEPLOY, alertmanager_files, telling
from tests.programs import alertmanager

SHIPPED = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
RENAMED = "sendMessage: unknown parameter disable_web_page_preview"
"""What Alertmanager's library sends as Telegram named it before Bot API 7.0: https://core.telegram.org/bots/api-changelog"""
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")


def amtool(*words: str | Path) -> str:
    """What amtool says; it must be content."""
    done = subprocess.run([alertmanager("amtool"), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alertmanager_takes_the_configuration(tmp_path: Path) -> None:
    said = amtool("check-config", alertmanager_files(tmp_path))
    assert ("2 receivers" in said, "1 templates" in said) == (True, True)


def test_alertmanager_takes_the_configuration_with_an_outside_service_too(tmp_path: Path) -> None:
    secret = (r"url_file: /run/secrets/alertmanager_outside_url$", "url: http://127.0.0.1:9/ping")
    file = alertmanager_files(tmp_path, (r"^( +)# (?=- receiver|- name| {2,}\w| {2,}- url)", r"\1"), secret)
    assert "3 receivers" in amtool("check-config", file)
    assert amtool("config", "routes", "test", f"--config.file={file}", "alertname=WsbWatchdog").strip() == "outside"


@pytest.mark.parametrize(("severity", "receiver"), [("urgent", "chats"), ("warning", "chats"), ("none", "nobody")])
def test_what_matters_goes_to_the_chats(tmp_path: Path, severity: str, receiver: str) -> None:
    file = alertmanager_files(tmp_path)
    routed = amtool("config", "routes", "test", f"--config.file={file}", "alertname=WsbDown", f"severity={severity}")
    assert routed.strip() == receiver


def test_every_alert_has_a_severity_that_is_routed_and_every_silence_is_about_alerts_that_there_are() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES))
    assert set(re.findall(r"severity: (\w+)", RULES)) == {"urgent", "warning", "none"}
    assert RULES.count("severity: ") == len(alerts)
    silences = SHIPPED.partition("inhibit_rules:")[2].partition("receivers:")[0]
    assert set(re.findall(r"Wsb\w+", silences)) - alerts == set()
    assert ("told: desk" in RULES, 'told="desk"' in silences) == (True, True)


def test_no_alert_but_that_the_desk_is_down_ends_with_its_numbers() -> None:
    blocks = re.split(r"^ +- alert: ", RULES, flags=re.M)[1:]
    ends_at_once = [block.split("\n")[0] for block in blocks if "keep_firing_for: 3m" not in block]
    assert ends_at_once == ["WsbDown", "WsbAlertsUndelivered", "WsbWatchdog"]


def test_secrets_stand_in_files_alone() -> None:
    assert re.findall(r"^ +(?:- )?\w*(?:token|secret|password|url)\w*: (?!/run/secrets/)", SHIPPED, re.M) == []


def test_a_dead_desk_is_told_on_both_and_nothing_of_it_is_said_to_be_over(tmp_path: Path) -> None:
    dead = {"alertname": "WsbDown", "severity": "urgent"}
    away = {"alertname": "WsbPlatformDown", "severity": "warning", "platform": "discord"}
    with telling(tmp_path) as told:
        told.alert({"alertname": "WsbDeskTells", "severity": "none"}, {"alertname": "WsbWatchdog", "severity": "none"})
        told.alert({"alertname": "WsbBrokerDown", "severity": "urgent", "told": "desk"}, away)
        told.until_both("Warning: WsbPlatformDown")
        told.alert(dead)
        told.until_both("Urgent: WsbDown")
        silenced = [name for name in ("WsbPlatformDown", "WsbWatchdog") if told.is_silenced(name)]
        told.alert(away, is_over=True)
        told.alert({"alertname": "WsbAlertsUndelivered", "severity": "warning"})
        told.until_both("Warning: WsbAlertsUndelivered")
        told.alert(dead, is_over=True)
        told.until_both("Over: WsbDown")
        on_telegram, on_discord = told.texts

    assert silenced == ["WsbPlatformDown"]
    titles = ["Warning: WsbPlatformDown", "Urgent: WsbDown", "Warning: WsbAlertsUndelivered", "Over: WsbDown"]
    assert [text.split("\n")[0] for text in on_telegram] == titles
    assert [text.split("\n")[0] for text in on_discord] == titles
    assert on_telegram[1].split("\n")[1] == on_discord[1].split("\n")[1] == "About <WsbDown> & _more_."
    assert on_telegram[1].endswith("UTC. What to do: docs/runbooks/down.md")
    assert re.search(r"^Over after \ds: About <WsbDown>", on_discord[3], re.M)
    assert set(told.telegram.violations) <= {RENAMED}
    assert told.discord.violations == []
