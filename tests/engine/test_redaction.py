"""Secrets in texts: taken out wherever they stand and however they are written; everything else is left alone."""

from __future__ import annotations

import json
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redaction import MASK, Redactor, cleaned

TELEGRAM = "7123456789:AAHk3vJ2mQx9_ZrT-plantedplantedplant"
DISCORD = "MTE5NzUxMjM0NTY3ODkwMTIz.GpLaNt.abcdefghijklmnopqrstuvwxyz012345678901"
ALPACA = "PKPLANTED0123456789A"
ODD = 'pa/ss w"ord\\&ü+%'


def redactor(*secrets: str) -> Redactor:
    made = Redactor()
    made.keep(secrets)
    return made


@pytest.mark.parametrize(
    "text",
    [
        f"GET /bot{TELEGRAM}/sendMessage",
        f"GET /file/bot{quote(TELEGRAM, safe='')}/x",
        f"Authorization: Bot {DISCORD}",
        f"{{'APCA-API-KEY-ID': '{ALPACA}', 'x': 1}}",
        json.dumps({"a": f"line\n{ALPACA}\n{TELEGRAM}"}),
        f"n{TELEGRAM}",
    ],
)
def test_what_looks_like_a_token_goes_though_nobody_configured_it(text: str) -> None:
    found = redactor().clean(text)

    assert MASK in found
    assert not any(secret in found or quote(secret, safe="") in found for secret in (TELEGRAM, DISCORD, ALPACA))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://x.example/q?symbol=KO&apikey=s3cr3t&n=1", f"https://x.example/q?symbol=KO&apikey={MASK}&n=1"),
        ("https://x.example/q?token=s3cr3t", f"https://x.example/q?token={MASK}"),
        ("postgresql://wsb:hunter2@db/wsb", f"postgresql://wsb:{MASK}@db/wsb"),
        ("{'Authorization': 'Bearer abc.def'}", f"{{'Authorization': 'Bearer {MASK}'}}"),
        ('"Authorization": "Basic dXNlcjpwdw=="', f'"Authorization": "Basic {MASK}"'),
        ("Client(token='s3cr3t-s3cr3t', x=1)", f"Client(token='{MASK}', x=1)"),
    ],
)
def test_the_place_of_a_secret_is_enough(text: str, left: str) -> None:
    assert redactor().clean(text) == left


@pytest.mark.parametrize(
    "write", [str, repr, json.dumps, quote, lambda x: quote(x, safe=""), lambda x: json.dumps(repr(x))]
)
def test_a_configured_secret_goes_however_it_is_written(write) -> None:  # type: ignore[no-untyped-def]
    text = f"before {write(ODD)} after"
    found = redactor(ODD).clean(text)

    assert MASK in found
    assert found.startswith("before ")
    assert found.endswith(" after")
    assert "w" not in found.replace(MASK, "").replace("before", "").replace("after", "")


def test_a_secret_is_found_in_any_case_and_when_it_was_cut_off() -> None:
    made = redactor("planted-secret-0001")

    assert made.clean("https://PLANTED-SECRET-0001.example") == f"https://{MASK}.example"
    assert made.clean("it said planted-secre") == f"it said {MASK}"
    assert made.clean("it said planted") == "it said planted"


@pytest.mark.parametrize(
    "text",
    [
        "Discord does not know the token in DISCORD_TOKEN: take the one under Bot, Reset Token.",
        "order A00012.1.1 of P0K3ZQ4M was refused (403)",
        "http://127.0.0.1:8484/metrics took 12:30:45",
        "https://paper-api.alpaca.markets/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d",
        "key approval:A00004 at 2026-06-15T14:00:00+00:00",
        "SPY260620P00440000 -2 @ 1.03",
        "MSFT sold 44 puts at 1.03; the risk is 8,600.00",
    ],
)
def test_what_people_have_to_read_stays_as_it_is(text: str) -> None:
    assert redactor("planted-secret-0001").clean(text) == text


@given(st.text(max_size=60), st.text(alphabet="abcXYZ0189-_:/+=.", min_size=12, max_size=40), st.text(max_size=60))
def test_no_text_around_a_secret_hides_it_and_cleaning_twice_changes_nothing(a: str, secret: str, b: str) -> None:
    made = redactor(secret)
    once = made.clean(f"{a}{secret}{b}")

    assert secret not in once
    assert made.clean(once) == once


def test_a_traceback_and_values_inside_values_are_cleaned() -> None:
    made = redactor("planted-secret-0001")
    try:
        raise ValueError({"url": "http://planted-secret-0001/x"})
    except ValueError as problem:
        text = "".join(traceback.format_exception(problem))

    assert "planted" not in made.clean(text)
    assert cleaned({"a": [f"/bot{TELEGRAM}/", 1], "b": {"c": ALPACA}}) == {"a": [f"/bot{MASK}/", 1], "b": {"c": MASK}}
