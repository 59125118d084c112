"""How protection ends: in the session after the report; before that only when it is worthless or worth a fortune."""

from __future__ import annotations

from decimal import Decimal

from engine.model.legs import ExitPlan, Structure
from engine.model.trade import Signal
from engine.percent import as_percent
from strategies.earnings_protection.params import Params


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan at the signal's limit; its day, the session after the report, is kept."""
    if signal.structure is Structure.COVERED_CALL:
        return _of_call(signal, params)
    if signal.structure is Structure.CALENDAR:
        return _of_bought(signal, params.calendar_target, params.calendar_stop)
    return _of_bought(signal, params.target_multiple, params.stop_share)


def _of_bought(signal: Signal, multiple: float, lost: float) -> ExitPlan:
    target, stop = signal.limit * _exact(multiple), signal.limit * (1 - _exact(lost))
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=signal.exits.close_on,
        words=(
            _day_words(signal),
            f"Before that sold at {target:.2f} or more ({multiple:g} x its price).",
            f"Stop: sold at {stop:.2f} or less ({as_percent(lost)} of its price lost).",
        ),
    )


def _of_call(signal: Signal, params: Params) -> ExitPlan:
    target, stop = signal.limit * (1 - _exact(params.call_target)), signal.limit * _exact(params.call_stop)
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=signal.exits.close_on,
        words=(
            f"{_day_words(signal)} The call goes before the put.",
            f"Before that bought back at {-target:.2f} or less ({as_percent(params.call_target)} of it made).".replace(
                "%", " %"
            ),
            f"Stop: bought back at {-stop:.2f} or more ({params.call_stop:g} x its premium).",
        ),
    )


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


def _day_words(signal: Signal) -> str:
    day = signal.exits.close_on
    return f"Closed from 09:35 on {day:%d %b}, the session after the report." if day else "Closed after the report."
