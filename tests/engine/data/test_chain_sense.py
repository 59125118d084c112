"""A chain whose prices cannot be those of its options is refused; a real one never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from engine import pricing
from engine.data.chain_sense import check_sense
from engine.data.chains import CHAIN_COLUMNS, read_chains
from engine.data.files import read_parquet
from engine.errors import DataInvalid
from engine.model.market import Chain
from engine.sessions import NEW_YORK
from tests.chains import strip
from tests.engine.data.test_chain_build import made
from tests.shared import SHARED, needs_shared

STRIKES = tuple(float(strike) for strike in range(80, 121, 4))


def chain(times: float = 1.0, strikes: tuple[float, ...] = STRIKES) -> Chain:
    raw = strip("XYZ", date(2026, 12, 18), strikes)
    return made(replace(raw, bid=raw.bid * times, ask=raw.ask * times)).chain


def test_a_sound_chain_passes() -> None:
    check_sense(chain())


@pytest.mark.parametrize("times", [10.0, 100.0, 0.1])
def test_prices_ten_times_off_are_refused(times: float) -> None:
    with pytest.raises(DataInvalid, match="make no sense"):
        chain(times)


def test_a_chain_of_two_strikes_is_not_judged() -> None:
    assert len(chain(10.0, STRIKES[5:7])) == 4


def unpriced(one: Chain) -> Chain:
    nothing = np.full(len(one), np.nan)
    return pricing.complete(replace(one, iv=nothing, delta=nothing))


@needs_shared
def test_no_recorded_chain_is_refused_and_every_one_times_ten_is() -> None:
    recorded = read_chains(read_parquet(SHARED / "data" / "option_chains.parquet", CHAIN_COLUMNS))
    sound = lying = 0
    for (ticker, _), moments in sorted(recorded.moments.items()):
        moment = moments[0]
        one = recorded.chain(ticker, moment, moment.wall.replace(tzinfo=NEW_YORK), 0.02, ())
        check_sense(unpriced(one))
        sound += 1
        if (one.bid > 0).sum() > 200:
            with pytest.raises(DataInvalid):
                check_sense(unpriced(replace(one, bid=one.bid * 10, ask=one.ask * 10)))
            lying += 1
    assert sound > 100
    assert lying >= 5
