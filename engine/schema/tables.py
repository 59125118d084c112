"""Every table. The first four are the roadmap's: their columns are kept, widened and added to, never renamed.

Where a table has a `body`, that JSON is the value and the columns beside it are what queries and dashboards read,
written by the same statement. Foreign keys are checked at commit, so a transaction may write in any order.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from engine.schema.types import Instant, Money

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _parent(column: str) -> ForeignKey:
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


strategies = Table(
    "strategies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("risk_level", Text),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

trades = Table(
    "trades",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy_id", Text, _parent("strategies.id"), nullable=False),
    Column("ticker", Text, nullable=False),
    Column("trade_type", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("entry_price", Money),
    Column("exit_price", Money),
    Column("pnl", Money, nullable=False),
    Column("commission", Money, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("dividends", Money, nullable=False),
    Column("opened_at", Instant),
    Column("closed_at", Instant, nullable=False),
    Column("campaign", Text),
    Column("reason", Text, nullable=False),
    Column("import_hash", Text, _parent("imports.hash")),
    Index("ix_trades_strategy_id_closed_at", "strategy_id", "closed_at"),
)

positions = Table(
    "positions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy_id", Text, _parent("strategies.id"), nullable=False),
    Column("ticker", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("avg_price", Money),
    Column("current_value", Money),
    Column("unrealized_pnl", Money),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("structure", Text, nullable=False),
    Column("approval_id", Text, _parent("approvals.id")),
    Column("realized_pnl", Money, nullable=False),
    Column("closed_at", Instant),
    Column("import_hash", Text, _parent("imports.hash")),
    Column("body", Text, nullable=False),
    Index("ix_positions_status_id", "status", "id"),
    Index("ix_positions_strategy_id_status", "strategy_id", "status"),
    Index("ix_positions_campaign", "campaign"),
    Index("ix_positions_closed_at", "closed_at"),
)

risk_limits = Table(
    "risk_limits",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy_id", Text, _parent("strategies.id")),
    Column("max_position_risk", Money),
    Column("max_total_risk", Money),
    Column("max_drawdown", Money),
    Column("created_at", Instant, nullable=False),
    Column("set_by", Text, nullable=False),
    Index("ix_risk_limits_strategy_id_created_at", "strategy_id", "created_at"),
)

legs = Table(
    "legs",
    metadata,
    Column("position_id", Text, _parent("positions.id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("symbol", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price", Money, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Index("ix_legs_symbol", "symbol"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("ticker", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Index("ix_approvals_status_created_at", "status", "created_at"),
    Index("ix_approvals_created_at", "created_at"),
)

approval_versions = Table(
    "approval_versions",
    metadata,
    Column("approval_id", Text, _parent("approvals.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("plan", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Column("snoozed_until", Instant),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("ticker", Text, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("approval_id", Text, _parent("approvals.id")),
    Column("created_at", Instant, nullable=False),
    Column("send_after", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_orders_status_id", "status", "id"),
    Index("ix_orders_position_id", "position_id"),
    Index("ix_orders_created_at", "created_at"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("client_order_id", Text, primary_key=True),
    Column("order_id", Text, _parent("orders.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("broker_id", Text),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_attempts_order_id", "order_id"),
    Index("ix_attempts_is_open_client_order_id", "is_open", "client_order_id"),
    Index("ix_attempts_created_at", "created_at"),
)

fills = Table(
    "fills",
    metadata,
    Column("execution_id", Text, primary_key=True),
    Column("client_order_id", Text, nullable=False),
    Column("position_id", Text, _parent("positions.id"), nullable=False),
    Column("symbol", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_fills_client_order_id", "client_order_id"),
    Index("ix_fills_position_id", "position_id"),
    Index("ix_fills_at", "at"),
)

activities = Table(
    "activities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("symbol", Text),
    Column("amount", Money, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_activities_at", "at"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("cash", Money, nullable=False),
    Column("realised", Money, nullable=False),
    Column("position_id", Text, _parent("positions.id")),
    Column("strategy", Text),
    Index("ix_ledger_at_key", "at", "key"),
    Index("ix_ledger_position_id", "position_id"),
)

ledger_totals = Table(
    "ledger_totals",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("cash", Money, nullable=False),
    Column("realised", Money, nullable=False),
)
"""The ledger summed by kind, kept in the transaction of every posting, so that the book costs no scan."""

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("routed", Boolean, nullable=False, server_default=false()),
    Column("number", BigInteger, unique=True),
    Column("previous", Text),
    Column("hash", Text),
    Index("ix_events_routed_id", "routed", "id"),
    Index("ix_events_subject", "subject"),
    Index("ix_events_correlation", "correlation"),
    Index("ix_events_kind_id", "kind", "id"),
    Index("ix_events_kind_at", "kind", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, _parent("events.id"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try", Instant),
    Column("ref", Text),
    Column("error", Text, nullable=False),
    Column("urgent", Boolean, nullable=False, server_default=false()),
    Column("sent_at", Instant),
    Column("given_up_at", Instant),
    Column("unanswered", Integer, nullable=False, server_default="0"),
    UniqueConstraint("event_id", "destination", "version"),
    Index("ix_outbox_state_destination_urgent_event_id", "state", "destination", "urgent", "event_id"),
    Index("ix_outbox_key_destination", "key", "destination"),
    Index("ix_outbox_sent_at", "sent_at"),
    Index("ix_outbox_given_up_at", "given_up_at"),
)

message_refs = Table(
    "message_refs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("chat", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("settled_at", Instant),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, _parent("jobs.name"), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("since", Instant),
    UniqueConstraint("job", "due_at"),
    Index("ix_runs_started_at", "started_at"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires", Instant, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("told_at", Instant),
    Column("resolved_at", Instant),
    Column("snoozed_until", Instant),
    Column("seen_by", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_alerts_state_rule_subject", "state", "rule", "subject"),
    Index("ix_alerts_opened_at", "opened_at"),
    Index("ix_alerts_resolved_at", "resolved_at"),
    Index("ix_alerts_card", "card"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("at", Instant, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("is_last", Boolean, nullable=False, server_default=false()),
    Column("silent_since", Instant),
    Index("ix_heartbeats_silent_since", "silent_since"),
)
"""Signs of life of whoever acts for the desk.

`is_last`: it ended in order then. `silent_since`: the sign of life before it, where that was too long ago.
"""

iv_history = Table(
    "iv_history",
    metadata,
    Column("ticker", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("iv", Float, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="reconstructed"),
)

equity_history = Table(
    "equity_history",
    metadata,
    Column("day", Date, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("equity", Money, nullable=False),
    Column("liquidation", Money),
    Column("cash", Money, nullable=False),
    Column("realised", Money, nullable=False),
    Column("unrealised", Money, nullable=False),
    Column("dividends", Money, nullable=False),
    Column("interest", Money, nullable=False),
    Column("flows", Money, nullable=False),
    Column("fees", Money, nullable=False),
    Column("rate", Float),
)

strategy_history = Table(
    "strategy_history",
    metadata,
    Column("day", Date, primary_key=True),
    Column("strategy", Text, primary_key=True),
    Column("realised", Money, nullable=False),
    Column("unrealised", Money, nullable=False),
    Column("dividends", Money, nullable=False),
    Column("fees", Money, nullable=False),
)
"""What each strategy had made at the end of each session: sums since the start, `unrealised` of that moment."""

digests = Table(
    "digests",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("span", Text, nullable=False),
    Column("last", Date, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)
"""What was told of each day, week and month, once: `subject` is 2026-11-27, 2026-W48 or 2026-11."""

scans = Table(
    "scans",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy", Text, nullable=False),
    Column("asof", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_scans_strategy_asof", "strategy", "asof"),
    Index("ix_scans_asof", "asof"),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

updates = Table(
    "updates",
    metadata,
    Column("source", Text, primary_key=True),
    Column("seen_at", Instant),
)

imports = Table(
    "imports",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)

paper = Table(
    "paper",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("approval_id", Text, _parent("approvals.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("needs", Text, nullable=False),
)
"""Taps toward a decision that needs more than one: the first on live money, the first of two approvers."""

envelopes = Table(
    "envelopes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_envelopes_status_id", "status", "id"),
)
"""Pre-authorised bounds inside which proposals are approved without a tap."""

locks = Table(
    "locks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_locks_status_id", "status", "id"),
)
"""What may not be opened for now, and why: the whole desk, a strategy or a name."""

limit_changes = Table(
    "limit_changes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_limit_changes_name_effective_at", "name", "effective_at"),
)
"""Limits that people set over the configured ones; a tighter one holds at once, a looser one from the next session."""

promotions = Table(
    "promotions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("strategy_id", Text, _parent("strategies.id"), nullable=False),
    Column("account", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("ended_at", Instant),
    Index("ix_promotions_strategy_id", "strategy_id"),
)
"""Strategies that may open positions with real money, and in which account."""

sequences = Table(
    "sequences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_sequences_status_id", "status", "id"),
    Index("ix_sequences_position_id", "position_id"),
)
"""Trades made of several orders in a row (rolls, a flattened book): each step is durable before it is taken."""

adoptions = Table(
    "adoptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_adoptions_status_id", "status", "id"),
    Index("ix_adoptions_symbol", "symbol"),
)
"""What the broker holds and the books do not (or the other way round), and what a person decided about it."""

buttons = Table(
    "buttons",
    metadata,
    Column("token", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("chat", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant),
    Index("ix_buttons_platform_chat_message", "platform", "chat", "message"),
    Index("ix_buttons_made_at", "made_at"),
)
"""Buttons whose platform shows what they carry to everybody: an opaque token out there, the action in here."""
