"""The options of one ticker at one instant of a recording: recorded where they were, else modelled and labelled so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from engine.data.chains import Moment, RecordedChains
from engine.data.model_chain import expiries_of, modelled_chain, modelled_quotes
from engine.data.share_days import ShareDay
from engine.model.instruments import Option
from engine.model.market import Chain, Quote
from engine.pricing import complete
from engine.sessions import NEW_YORK, Sessions

WEEKLIES = frozenset({"SPY", "QQQ", "IWM"})
"""Underlyings whose modelled chains list an expiry every week."""
SMALLEST_CHAIN = 20
"""Fewer contracts recorded at one moment are samples: their quotes count, but the chain of the name is modelled."""
Expected = tuple[tuple[date, float], ...]
"""Ex-dates and dollars a share, on today's basis."""


class OptionDays:
    """Chains and quotes from what was recorded up to an instant, or from the model; each chain is made once."""

    def __init__(self, recorded: RecordedChains, sessions: Sessions) -> None:
        self._recorded = recorded
        self._sessions = sessions
        self._expiries: tuple[date, dict[bool, tuple[date, ...]]] = (date.min, {})
        self._made: tuple[datetime | None, dict[str, Chain | None]] = (None, {})
        self._completed: tuple[date, dict[tuple[str, datetime], Chain]] = (date.min, {})

    def recorded_chain(self, ticker: str, now: datetime, rate: float, dividends: Expected = ()) -> Chain | None:
        """The chain recorded last at or before `now` today, completed; None when there is none."""
        whole = (moment for moment in self._up_to(ticker, now) if len(moment) >= SMALLEST_CHAIN)
        latest = next(whole, None)
        return None if latest is None else self._chain_of(ticker, latest, rate, dividends)

    def chain(self, day: ShareDay, now: datetime, rate: float) -> Chain | None:
        """The chain at `now`: recorded, else modelled; None before the opening bell or where no volatility is known."""
        if self._made[0] != now:
            self._made = (now, {})
        made = self._made[1]
        if day.ticker not in made:
            recorded = self.recorded_chain(day.ticker, now, rate, day.expected_dividends)
            made[day.ticker] = recorded if recorded is not None else self._modelled_chain(day, now, rate)
        return made[day.ticker]

    def recorded_quote(self, option: Option, now: datetime) -> Quote | None:
        """The quote of one contract recorded last at or before `now` today, None when none was."""
        for moment in self._up_to(option.underlying, now):
            chain = self._recorded.chain(option.underlying, moment, self._instant(moment), 0.0, ())
            contract = chain.find(option)
            if contract is not None and contract.ask > 0:
                sizes = contract.bid_size, contract.ask_size
                return Quote(option, contract.bid, contract.ask, chain.asof, chain.source, *sizes)
        return None

    def modelled_quotes(
        self, options: Sequence[Option], day: ShareDay, now: datetime, rate: float
    ) -> tuple[Quote, ...]:
        """The quotes of options of one ticker, as its modelled chain shows them; none before the opening bell."""
        known = _known(day, now)
        if known is None:
            return ()
        return modelled_quotes(options, *known, rate, day.expected_dividends, close=day.close_at)

    def _modelled_chain(self, day: ShareDay, now: datetime, rate: float) -> Chain | None:
        known = _known(day, now)
        if known is None:
            return None
        expiries = self._listed(day.today, day.ticker in WEEKLIES)
        return modelled_chain(*known, expiries, rate, day.expected_dividends, close=day.close_at)

    def _listed(self, today: date, has_weeklies: bool) -> tuple[date, ...]:
        if self._expiries[0] != today:
            self._expiries = (today, {})
        made = self._expiries[1]
        if has_weeklies not in made:
            made[has_weeklies] = expiries_of(today, self._sessions, has_weeklies)
        return made[has_weeklies]

    def _up_to(self, ticker: str, now: datetime) -> tuple[Moment, ...]:
        """Today's recorded moments up to `now`, the latest first."""
        moments = self._recorded.on(ticker, self._sessions.today(now))
        return tuple(moment for moment in reversed(moments) if self._instant(moment) <= now)

    def _instant(self, moment: Moment) -> datetime:
        """When a moment was; end-of-day files say 16:00 on early closes too."""
        at = moment.wall.replace(tzinfo=NEW_YORK).astimezone(UTC)
        return min(at, self._sessions.close(moment.wall.date()))

    def _chain_of(self, ticker: str, moment: Moment, rate: float, dividends: Expected) -> Chain:
        key, day = (ticker, moment.wall), moment.wall.date()
        if self._completed[0] != day:
            self._completed = (day, {})
        made = self._completed[1]
        if key not in made:
            chain = self._recorded.chain(ticker, moment, self._instant(moment), rate, dividends)
            made[key] = complete(chain, self._sessions.close(day))
        return made[key]


def _known(day: ShareDay, now: datetime) -> tuple[str, datetime, date, float, float] | None:
    """Ticker, instant, trading date, spot and realised volatility: what the model starts from, None without all."""
    at, last, volatility = day.instant(now), day.price(now), day.volatility
    if at is None or last is None or volatility is None:
        return None
    return day.ticker, at, day.today, last[0], volatility
