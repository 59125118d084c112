"""The gate of every order: why nothing may be opened now, and why an order may not go out on the wire.

Entries are asked at the tap and again when they are sent; exits are never held up by a halt, a lock or a limit. What
holds up both is the wrong account: nothing is ever sent to one that is not the pinned one.
"""

from __future__ import annotations

import structlog

from engine import halts, locks, promotions
from engine.desk import Desk, Mode
from engine.errors import ConfigError, OrderRejected
from engine.model.book import Account
from engine.model.orders import Order
from engine.store import UnitOfWork

log = structlog.get_logger()


def why_closed(desk: Desk, work: UnitOfWork, strategy: str, ticker: str) -> tuple[str, ...]:
    """Why nothing of this strategy and name may be opened now, as sentences; empty when it may."""
    stop = halts.current(work)
    reasons = (
        "" if stop is None else stop.words,
        *locks.reasons(desk, work, strategy, ticker),
        promotions.why_not_live(desk, work, strategy),
    )
    return tuple(reason for reason in reasons if reason)


def check_order(desk: Desk, order: Order) -> None:
    """Let an order pass to the broker, or raise. Asked right before every submission, outside any transaction.

    With a pinned account (always on live money) the broker is asked for its account's number before every entry, and
    without an answer none is sent. An exit does not wait for that answer once this process has seen the right number:
    every other answer about the account (`observe`: every 20 seconds) can take that word back.

    Raises:
        OrderRejected: paper and live are mixed up, the account is not the pinned one, or an entry of a strategy that
            is not promoted to live money.
        BrokerUnavailable: no answer about the account: the order stays NEW and is looked up like any other.
    """
    wrong = _wrong_kind(desk.mode, is_paper=desk.broker.is_paper)
    if not wrong and _is_pinned(desk) and (order.opening or desk.account not in desk.verified):
        account = desk.broker.account()
        observe(desk, account)
        wrong = why_wrong(desk.mode, desk.account, account)
    if not wrong and order.opening and desk.mode is Mode.LIVE:
        with desk.store.read() as work:
            wrong = promotions.why_not_live(desk, work, work.ticket(order.ticket_id).strategy)
    if wrong:
        log.error("gateway.refused", client_order_id=order.client_order_id, why=wrong)
        raise OrderRejected(f"nothing was sent to the broker. {wrong}")


def check_term(desk: Desk) -> None:
    """Let what cannot be taken back go out to the broker, or raise. Asked right before it, outside any transaction.

    What was committed before is held against the lease there; since then this process may have been stopped for long.

    Raises:
        LeaseLost: another process acts for the desk, or may do so by now; nothing was sent.
    """
    with desk.store.read() as work:
        work.require_term(desk.term)
    desk.term.check()


def _is_pinned(desk: Desk) -> bool:
    """Whether orders may go to one account only."""
    return bool(desk.account) or desk.mode is Mode.LIVE


def observe(desk: Desk, account: Account) -> None:
    """Note whether the account the broker answers with is the pinned one: exits go by the latest such answer."""
    if not _is_pinned(desk):
        return
    wrong = why_wrong(desk.mode, desk.account, account)
    if wrong:
        log.error("gateway.wrong_account", why=wrong)
        desk.verified.discard(desk.account)
    else:
        desk.verified.add(account.number)


def why_wrong(mode: Mode, pinned: str, account: Account) -> str:
    """Why orders of a desk in `mode` with this pinned account may not go to `account`, "" when they may."""
    if account.number != pinned and (pinned or mode is Mode.LIVE):
        return f"The broker's account is {account.number}, the pinned one is {pinned or 'none'}."
    return _wrong_kind(mode, is_paper=account.is_paper)


def _wrong_kind(mode: Mode, *, is_paper: bool) -> str:
    """Paper and live mixed up, in words; "" when they agree."""
    if (mode is not Mode.LIVE) is is_paper:
        return ""
    kind = "paper" if is_paper else "live"
    return f"The desk is in {mode.value} mode, but the broker's account is a {kind} one."


def check_account(desk: Desk) -> Account:
    """The broker's account, when it is the one this desk may trade: asked before the desk opens.

    Raises:
        ConfigError: it is another account, or paper where live is meant, or live where paper is.
        BrokerUnavailable: no answer; nothing may be opened until there is one.
    """
    account = desk.broker.account()
    wrong = why_wrong(desk.mode, desk.account, account) or _wrong_kind(desk.mode, is_paper=desk.broker.is_paper)
    if wrong:
        raise ConfigError(f"{wrong} Check alpaca.account, desk.mode and the keys.")
    observe(desk, account)
    return account
