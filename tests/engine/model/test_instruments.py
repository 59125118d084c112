"""Shares and option symbols, both ways."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRequest
from engine.model.instruments import Option, Right, Stock, Style, instrument, option, stock
from tests import make

D = Decimal
CHRISTMAS = date(2026, 12, 18)


@pytest.mark.parametrize(
    ("contract", "symbol", "padded"),
    [
        (Option("AAPL", CHRISTMAS, Right.CALL, D("187.5")), "AAPL261218C00187500", "AAPL  261218C00187500"),
        (Option("F", CHRISTMAS, Right.PUT, D(12)), "F261218P00012000", "F     261218P00012000"),
        (Option("GOOGL", CHRISTMAS, Right.CALL, D("0.5")), "GOOGL261218C00000500", "GOOGL 261218C00000500"),
        (Option("NVR", CHRISTMAS, Right.CALL, D(9900)), "NVR261218C09900000", "NVR   261218C09900000"),
    ],
)
def test_a_contract_is_spelled_both_ways_and_read_back(contract: Option, symbol: str, padded: str) -> None:
    assert (contract.symbol, contract.padded) == (symbol, padded)
    assert option(symbol) == contract
    assert option(padded) == contract


def test_small_letters_and_blanks_around_are_forgiven() -> None:
    assert option(" aapl261218c00187500 ") == option("AAPL261218C00187500")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAPL",
        "AAPL261218X00187500",
        "AAPL26121800187500C",
        "AAPL261218C0018750",
        "AAPL261218C001875000",
        "TOOLONGX261218C00187500",
        "1AAPL261218C00187500",
        "AAPL261218C00187.50",
    ],
)
def test_what_is_no_option_symbol_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match="is not an option symbol") as caught:
        option(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("symbol", ["AAPL260231C00187500", "AAPL261318C00187500", "AAPL261200C00187500"])
def test_a_day_that_does_not_exist_is_named(symbol: str) -> None:
    with pytest.raises(BadRequest, match=symbol[4:10]):
        option(symbol)


def test_index_options_are_european_and_settle_in_cash() -> None:
    weekly = option("SPXW260717P05800000")

    assert (weekly.underlying, weekly.root, weekly.style) == ("SPX", "SPXW", Style.EUROPEAN)
    assert weekly.is_cash_settled
    assert weekly.symbol == "SPXW260717P05800000"
    assert weekly != option("SPX260717P05800000")


def test_options_on_funds_are_american_and_deliver_shares() -> None:
    contract = option("SPY260717P00580000")

    assert contract.style is Style.AMERICAN
    assert not contract.is_cash_settled


def test_a_root_that_ends_in_a_digit_is_an_adjusted_contract() -> None:
    adjusted = option("AAPL1261218C00187500")

    assert adjusted.is_adjusted
    assert (adjusted.underlying, adjusted.root) == ("AAPL", "AAPL1")
    assert not option("AAPL261218C00187500").is_adjusted


def test_the_same_strike_written_differently_is_the_same_contract() -> None:
    assert make.put("44") == make.put("44.000")
    assert len({make.put("44"), make.put("44.0"), make.put("4.4E+1")}) == 1


def test_days_to_expiry_are_calendar_days() -> None:
    assert make.put(dte=35).dte(make.TODAY) == 35
    assert make.put(dte=0).dte(make.TODAY) == 0


@given(
    root=st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
    expiry=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from(list(Right)),
    mills=st.integers(1, 99_999_999),
)
def test_every_contract_survives_its_symbol(root: str, expiry: date, right: Right, mills: int) -> None:
    contract = Option(root, expiry, right, D(mills) / 1000)
    expected = contract if root not in {"SPX", "SPXW", "XSP", "NDX", "NDXP", "RUT", "RUTW", "VIX", "VIXW"} else None

    assert expected is None or option(contract.symbol) == expected
    assert option(contract.padded) == option(contract.symbol)
    assert len(contract.padded) == 21
    assert option(contract.symbol).symbol == contract.symbol


@pytest.mark.parametrize(("text", "ticker"), [("aapl", "AAPL"), (" $tsla ", "TSLA"), ("BRK.B", "BRK.B"), ("F", "F")])
def test_a_ticker_is_trimmed_and_raised(text: str, ticker: str) -> None:
    assert stock(text) == Stock(ticker)


@pytest.mark.parametrize("text", ["brk.b", "BRK-B", "$brk/b", " Brk-b "])
def test_a_class_of_shares_is_one_share_however_it_is_spelt(text: str) -> None:
    assert stock(text) == instrument(text) == Stock("BRK.B")


def test_a_preferred_share_is_no_class() -> None:
    assert stock("bac-pb") == Stock("BAC-PB")


@pytest.mark.parametrize("text", ["", "  ", "$", "1", "TOOLONGX", "A B", "AAPL;", "AAPL\n.X", "ÄÖÜ", "A" * 300])
def test_what_is_no_ticker_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match="is not a ticker") as caught:
        stock(text)
    assert text in str(caught.value)


def test_a_symbol_names_shares_or_an_option() -> None:
    assert instrument("xyz") == Stock("XYZ")
    assert instrument("XYZ260720P00044000") == make.put()
    with pytest.raises(BadRequest):
        instrument("XYZ260720")


def test_shares_come_one_by_one_and_contracts_by_the_hundred() -> None:
    assert (Stock("XYZ").multiplier, make.put().multiplier) == (1, 100)
    assert (Stock("XYZ").underlying, make.put().underlying) == ("XYZ", "XYZ")


def test_an_instrument_reads_as_a_person_would_write_it() -> None:
    assert str(make.put("42.50")) == "XYZ 20 Jul 26 42.5 put"
    assert str(make.call("100")) == "XYZ 15 Jul 26 100 call"
    assert str(Stock("XYZ")) == "XYZ"
