"""One picked contract of a chain under American exercise, where that is another number than the chain's column."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

import numpy as np

from engine.model.instruments import Right
from engine.model.market import Chain, Contract
from engine.pricing.chains import is_european, years_left
from engine.pricing.early_exercise import american_greeks, american_implied_volatility


def exercisable(chain: Chain, contract: Contract, close: datetime | None = None) -> Contract:
    """`contract`, a row of `chain`, with the volatility and the Greeks of an American option where exercise matters.

    That is calls with an ex-date before they expire, and puts in the money at a rate above zero; the columns of a chain
    are European, which leaves such rows without a volatility or with one that holds the price of exercise. Others and
    those whose price tells no volatility stay as they are. Up to a second with many ex-dates ahead.
    """
    option = contract.option
    is_call, strike = option.right is Right.CALL, float(option.strike)
    days = [((ex_date - chain.today).days, amount) for ex_date, amount in chain.dividends if ex_date <= option.expiry]
    ahead = [(day / 365, amount) for day, amount in days if day > 0]
    rate, carry = chain.rate_to(option.expiry), chain.yield_to(option.expiry)
    matters = bool(ahead) or carry > 0 if is_call else rate > 0 and strike > chain.spot
    if is_european(chain) or not matters or not 0 < contract.bid <= contract.ask:
        return contract
    expiry = np.array([option.expiry], dtype="datetime64[D]")
    terms = (chain.spot, strike, float(years_left(expiry, chain.today, chain.asof, close)[0]), rate)
    iv = american_implied_volatility(float(contract.mid), *terms, is_call, carry, ahead)
    if math.isnan(iv):
        return contract
    return replace(contract, iv=iv, greeks=american_greeks(*terms, iv, is_call, carry, ahead))
