"""Alpaca as a `Broker`: paper or live account, shares, options and packages of options.

Source: Alpaca's trading API (OpenAPI 2.0.1, June 2026) and its change log up to November 2026.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime, timedelta
from typing import Any

import structlog

from engine.abilities import AbilityMemory
from engine.brokers import alpaca_activities, alpaca_hosts, alpaca_refusals, alpaca_wire, wire
from engine.brokers.alpaca_http import AlpacaHttp, Refused
from engine.brokers.alpaca_wire import Payload, text
from engine.errors import BrokerUnavailable, ConfigError, OrderRejected, Refusal
from engine.latest import Latest
from engine.model.book import Account, Holding
from engine.model.orders import Activity, Fill, Order, OrderStatus
from engine.ports import Ability, Capabilities
from engine.transport import Timeouts

log = structlog.get_logger()

ORDERS_PAGE = 500
ACTIVITIES_PAGE = 100
OVER = frozenset({"filled", "canceled", "expired", "rejected"})
"""Statuses that no order leaves again, so that what was read of it once stays true."""
WORTH_A_PAGE = 3
"""Orders to look up from which on one list of those that ended is cheaper than a question each."""
REMEMBERED = 20_000
"""Ids of orders and legs kept at hand: months of them. One that is not is asked for."""
LATE = timedelta(days=5)
"""How long after its day an activity may be reported: a long weekend and the morning after."""
MARGIN = timedelta(minutes=1)
"""Asked for in addition, because `after` excludes its own instant; what is too old is dropped here."""
SCHEMES = ("http", "https")


class AlpacaBroker:
    """Orders on one Alpaca account. Safe to share between threads.

    `url_override` (ALPACA_TRADING_URL) points somewhere else than Alpaca's own host for `paper`, without `/v2`.
    `memory` keeps what Alpaca was found to take over restarts.

    Raises:
        ConfigError: a key is missing, or the address belongs to the other kind of account.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        paper: bool = True,
        url_override: str | None = None,
        timeouts: Timeouts | None = None,
        memory: AbilityMemory | None = None,
    ) -> None:
        if not key or not secret:
            raise ConfigError("Alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY.")
        checked = (
            alpaca_hosts.checked(url_override, "ALPACA_TRADING_URL", SCHEMES, paper=paper) if url_override else None
        )
        url = checked.removesuffix("/v2") if checked else None
        self._http = AlpacaHttp(key, secret, paper=paper, url=url, timeouts=timeouts or Timeouts())
        self._paper = paper
        self._parents: Latest[str, str] = Latest(REMEMBERED)
        """By the id of an order or a leg, the client_order_id it is booked under."""
        self._ended: Mapping[str, Payload] = {}
        self._memory = memory
        self._found = (memory.recall() if memory is not None else {}) | {Ability.STOP_SHARES: True}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return "alpaca"

    @property
    def is_paper(self) -> bool:
        return self._paper

    def capabilities(self) -> Capabilities:
        """Stops on shares; of the rest, what it has answered to real orders.

        Alpaca documents stops (27 August 2026) and good-till-canceled orders (28 August 2026) on options, and reports
        from the field contradict it: each counts as untried until an order was taken or refused for it.
        """
        with self._lock:
            proven = frozenset(ability for ability, taken in self._found.items() if taken)
            return Capabilities(proven, frozenset(Ability) - self._found.keys())

    def suspend(self, suspended: bool) -> None:
        """Turn the account's `suspend_trade`; it is as asked when this returns."""
        try:
            answer = _dict(self._http.patch("/account/configurations", {"suspend_trade": suspended}))
        except Refused as refusal:
            raise _unreadable(refusal) from refusal
        if answer.get("suspend_trade") is not suspended:
            raise BrokerUnavailable(f"Alpaca did not turn suspend_trade to {suspended}.")
        log.warning("alpaca.suspend_trade", suspended=suspended)

    def clock(self) -> datetime:
        """The time at Alpaca, aware UTC."""
        return alpaca_wire.needed_moment(self._one("/clock"), "timestamp")

    def account(self) -> Account:
        """The account's numbers now."""
        return alpaca_wire.account(self._one("/account"), is_paper=self._paper)

    def holdings(self) -> tuple[Holding, ...]:
        """What is held, sorted by symbol."""
        held = (alpaca_wire.holding(row) for row in self._many("/positions"))
        return tuple(sorted((row for row in held if row is not None), key=lambda row: row.instrument.symbol))

    def submit(self, order: Order) -> Order:
        """Send `order` once under its client_order_id and return it as accepted.

        Raises:
            OrderRejected: refused here or by Alpaca; nothing was placed.
            BrokerUnavailable: no verdict (time-out, cut connection, 429, 5xx); `find` will tell.
        """
        wire.check(order)
        try:
            answer = self._http.post("/orders", alpaca_wire.order_body(order))
        except Refused as refusal:
            if refusal.is_duplicate:
                return self._already_sent(order, refusal)
            raise self._explained(order, refusal) from refusal
        accepted = self._seen(order, _dict(answer))
        log.info("alpaca.order_accepted", client_order_id=order.client_order_id, broker_id=accepted.broker_id)
        return accepted

    def _explained(self, order: Order, refusal: Refused) -> OrderRejected:
        kind = alpaca_refusals.meaning(refusal)
        if kind is Refusal.ORDER_TYPE:
            gtc = {Ability.GTC_OPTIONS, Ability.GTC_PACKAGES}
            needed = wire.abilities(order)
            self._note(needed & gtc if alpaca_refusals.names_time(refusal) else needed - gtc, taken=False)
        words = f"Alpaca refused the order: {refusal.message}"
        return OrderRejected(words, refusal.code, kind, alpaca_refusals.related(refusal))

    def _note(self, abilities: frozenset[Ability], taken: bool) -> None:
        with self._lock:
            news = [ability for ability in abilities if self._found.get(ability) is not taken]
            self._found.update(dict.fromkeys(news, taken))
        if self._memory is not None:
            for ability in news:
                self._memory.keep(ability, taken)

    def _already_sent(self, order: Order, refusal: Refused) -> Order:
        found = self._lookup(order)
        if found is None:
            raise BrokerUnavailable(
                f"Alpaca says order {order.client_order_id} is already there, but does not show it."
            ) from refusal
        if not alpaca_wire.is_same(order, found):
            raise OrderRejected(
                f"Order id {order.client_order_id} was used before for another order on this account.",
                refusal.code,
                Refusal.DUPLICATE,
            ) from refusal
        return self._seen(order, found)

    def find(self, order: Order) -> Order | None:
        """`order` as Alpaca has it, None when it was never placed (or its id belongs to another order)."""
        found = self._lookup(order)
        if found is None:
            return None
        if not alpaca_wire.is_same(order, found):
            log.error("alpaca.order_id_taken", client_order_id=order.client_order_id, broker_id=found.get("id"))
            return None
        return self._seen(order, found)

    def cancel(self, order: Order) -> None:
        """Ask for cancellation.

        Raises:
            OrderRejected: it is not open any more, or was never placed.
        """
        broker_id = order.broker_id or self._id_of(order)
        try:
            self._http.delete(f"/orders/{broker_id}")
        except Refused as refusal:
            kind = alpaca_refusals.meaning(refusal, alpaca_refusals.CANCEL)
            if kind is Refusal.KEYS:
                raise _unreadable(refusal) from refusal
            raise OrderRejected(f"Alpaca cannot cancel the order: {refusal.message}", refusal.code, kind) from refusal

    def _id_of(self, order: Order) -> str:
        found = self._lookup(order)
        if found is None:
            raise OrderRejected(f"Order {order.client_order_id} was never placed.", wire.NOT_FOUND, Refusal.MISSING)
        return text(found, "id")

    def open_orders(self) -> tuple[str, ...]:
        """The client_order_ids of everything Alpaca is still working, sorted."""
        return tuple(sorted(text(row, "client_order_id") for page in self._order_pages("open") for row in page))

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        """Those of `orders` that Alpaca is still working, by client_order_id: one request for every 500 it works.

        When several are missing, those that ended are read in one request too, for `find` to answer from.
        """
        ours = {order.client_order_id: order for order in orders}
        rows = [row for page in self._order_pages("open") for row in page if row.get("client_order_id") in ours]
        found: dict[str, Order] = {}
        for row in rows:
            order = ours[text(row, "client_order_id")]
            try:
                if alpaca_wire.is_same(order, row):
                    found[order.client_order_id] = self._seen(order, row)
            except BrokerUnavailable as problem:
                log.warning("alpaca.order_unreadable", client_order_id=order.client_order_id, problem=str(problem))
        missing = ours.keys() - {text(row, "client_order_id") for row in rows}
        self._ended = self._read_ended(missing) if len(missing) >= WORTH_A_PAGE else {}
        return found

    def _read_ended(self, missing: Set[str]) -> Mapping[str, Payload]:
        """Those of these that are among the latest orders that ended; the others are asked for alone."""
        try:
            page = next(self._order_pages("closed"), [])
            ended = {text(row, "client_order_id"): row for row in page if row.get("status") in OVER}
        except BrokerUnavailable as problem:
            log.warning("alpaca.ended_orders_unread", problem=str(problem))
            return {}
        return {id: ended[id] for id in missing & ended.keys()}

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first; those of a package's legs under the package's id.

        A row that makes no sense must not hide the others: its order stays open here until it can be read.
        """
        found = self._activity_rows({"activity_types": "FILL", "after": _stamp(since - MARGIN)})
        rows = [row for row in found if alpaca_wire.is_execution(row, since)]
        parents = self._parents_of({text(row, "order_id") for row in rows})
        fills = (alpaca_wire.fill(row, parents[text(row, "order_id")]) for row in rows)
        return tuple(
            sorted((fill for fill in fills if fill is not None), key=lambda fill: (fill.at, fill.execution_id))
        )

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        """What happened without an order and was reported at or after `since`, oldest first."""
        rows = self._activity_rows({"category": "non_trade_activity", "after": _stamp(since - LATE)})
        return alpaca_activities.activities(row for row in rows if alpaca_activities.is_new(row, since, LATE))

    def close(self) -> None:
        """Drop the connections."""
        self._http.close()

    def _seen(self, order: Order, payload: Payload) -> Order:
        self._remember(payload)
        seen = alpaca_wire.observed(order, payload)
        self._note(wire.abilities(order) - {Ability.STOP_SHARES}, taken=seen.status is not OrderStatus.REJECTED)
        return seen

    def _lookup(self, order: Order) -> Payload | None:
        """Alpaca's order under the client_order_id, with its legs; None only when Alpaca itself says there is none."""
        if order.client_order_id in (ended := self._ended):
            return ended[order.client_order_id]
        try:
            found = _dict(self._http.get("/orders:by_client_order_id", {"client_order_id": order.client_order_id}))
        except Refused as refusal:
            if refusal.is_missing:
                return None
            raise _unreadable(refusal) from refusal
        if order.is_multileg and not found.get("legs"):
            return self._one(f"/orders/{text(found, 'id')}", {"nested": "true"})
        return found

    def _parents_of(self, order_ids: set[str]) -> Mapping[str, str]:
        """The client_order_id to book each order id under: a leg's is its package's."""
        pages = self._order_pages("all")
        while not self._knows(order_ids) and next(pages, None) is not None:
            continue
        with self._lock:
            known = {order_id: self._parents[order_id] for order_id in order_ids & self._parents.keys()}
        strays = order_ids - known.keys()
        return known | {stray: text(self._one(f"/orders/{stray}"), "client_order_id") for stray in strays}

    def _knows(self, order_ids: set[str]) -> bool:
        with self._lock:
            return order_ids <= self._parents.keys()

    def _remember(self, payload: Payload) -> None:
        parent = text(payload, "client_order_id")
        ids = [text(payload, "id"), *(text(leg, "id") for leg in payload.get("legs") or ())]
        with self._lock:
            for id in ids:
                self._parents[id] = parent

    def _order_pages(self, status: str) -> Iterator[list[Payload]]:
        """Orders, newest first, legs inside their packages; every page is remembered before it is given out."""
        params = {"status": status, "limit": str(ORDERS_PAGE), "nested": "true", "direction": "desc"}
        for page in self._pages("/orders", params, "before_order_id", ORDERS_PAGE):
            for row in page:
                self._remember(row)
            yield page

    def _activity_rows(self, params: Mapping[str, str]) -> list[Payload]:
        asked = {**params, "direction": "asc", "page_size": str(ACTIVITIES_PAGE)}
        pages = self._pages("/account/activities", asked, "page_token", ACTIVITIES_PAGE)
        return [row for page in pages for row in page]

    def _pages(self, path: str, params: Mapping[str, str], cursor: str, size: int) -> Iterator[list[Payload]]:
        """Pages of new rows until a short one comes, or one that brings nothing new."""
        seen: set[str] = set()
        asked = dict(params)
        while True:
            page = self._many(path, asked)
            fresh = [row for row in page if text(row, "id") not in seen]
            if not fresh:
                return
            seen.update(text(row, "id") for row in fresh)
            yield fresh
            if len(page) < size:
                return
            asked[cursor] = text(page[-1], "id")

    def _one(self, path: str, params: Mapping[str, str] | None = None) -> Payload:
        return _dict(self._read(path, params))

    def _many(self, path: str, params: Mapping[str, str] | None = None) -> list[Payload]:
        answer = self._read(path, params)
        if not isinstance(answer, list):
            raise BrokerUnavailable(f"Alpaca's answer to {path} is not a list.")
        return [_dict(row) for row in answer]

    def _read(self, path: str, params: Mapping[str, str] | None) -> Any:
        try:
            return self._http.get(path, params)
        except Refused as refusal:
            raise _unreadable(refusal) from refusal


def _unreadable(refusal: Refused) -> BrokerUnavailable:
    if refusal.status in (401, 403):
        return BrokerUnavailable(f"Alpaca does not accept the keys ({refusal.status}): {refusal.message}")
    return BrokerUnavailable(f"Alpaca refused to answer ({refusal.status}): {refusal.message}")


def _dict(answer: object) -> Payload:
    if not isinstance(answer, dict):
        raise BrokerUnavailable("Alpaca answered with something that is not a record.")
    return answer


def _stamp(at: datetime) -> str:
    """RFC 3339 to the second, the only form the activities page promises."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
