"""Cards as people read them: every state of a proposal in full, and the views of the desk."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.routes import OF_ALERT, SILENT, Channels, routes
from bot import announce
from bot.cards import holdings
from bot.message import Card, Table, Tone, as_text, table_text
from bot.proposal import Story, proposal_card
from engine import audit, orders, portfolio
from engine.model.book import PositionStatus
from engine.model.events import Event, EventKind, Severity
from engine.model.legs import Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.market import Greeks
from engine.model.orders import TicketStatus
from engine.model.trade import Approval, ApprovalStatus, Working
from engine.protection import worst_price
from tests import make
from tests.alerted import waiting_alert
from tests.bot.rooms import Visit, visit
from tests.desk import propose, quote_all
from tests.rolling import waiting_roll

D = Decimal
PHONE = 36


def drawn(approval: Approval, **more: object) -> Card:
    return proposal_card(Story(approval, **more), make.NOW + timedelta(seconds=3), "PAPER")  # type: ignore[arg-type]


def test_a_pending_proposal_is_complete() -> None:
    unit = make.outlook(greeks=Greeks(0.2392, -0.0454, 0.0289, -0.0461))

    assert as_text(drawn(make.approval(make.plan(make.signal(outlook=unit))))) == (
        "PAPER\n"
        "wheel: sell 2 × XYZ 44 put?\n"
        "Receive 206.00 in all (credit 1.03 a share). The most it can lose: 8,594.00. Expires 20 Jul 26 (35 days).\n"
        "For: -0.24 delta, 46 % implied volatility\n"
        "Against: assignment would take 4,400.00\n"
        "Exit: Buy back at 0.51.\n"
        "Exit: Stop at 2.06.\n"
        "Exit: Out at 21 days to expiry.\n"
        "Limit       credit 1.03 (206.00 in)\n"
        "Max loss    8,594.00\n"
        "Max gain    206.00\n"
        "Breakeven   42.97\n"
        "P(profit)   76.5 %, N(d2) at the breakeven, IV linear in strike\n"
        "Expires     20 Jul 26 (35 days)\n"
        "Collateral  8,800.00\n"
        "Net Greeks  Δ\u00a0+0.2392 Γ\u00a0-0.0454 Θ\u00a0+0.0289 V\u00a0-0.0461 a share\n"
        "Fees        2.00 (a side)\n"
        "Spot        48.00\n"
        "Data        test (recorded), 0 s; priced 10:00:00 ET, 3 s ago\n"
        "Answer by   10:05:00 ET\n"
        "Do         Qty  Contract  Expiry\n"
        "sell open    2  44 put    20Jul26\n"
        "[Approve] [Reject]\n"
        "[Half (1)] [Better price]\n"
        "[Snooze] [Change] [Why] [Payoff]\n"
        "A00001, version 1"
    )


def test_the_put_of_a_collar_says_that_it_is_the_first_of_two_orders() -> None:
    signal = make.signal(structure=Structure.COLLAR, legs=(Leg(make.put(44), 1),), limit=D("1.03"))

    card = drawn(make.approval(make.plan(signal)))

    assert card.title == "wheel: buy 2 × XYZ 44 put (collar, order 1 of 2)?"
    assert card.lines[0].startswith("Pay 206.00 in all (debit 1.03 a share).")
    assert card.lines[0].endswith("This is the put, the first of its two orders.")


def head(card: Card) -> str:
    """What a state changes: title, tone, first lines and buttons."""
    buttons = " ".join(f"[{button.label}]" for row in card.buttons for button in row)
    lines = [line for line in card.lines if not line.startswith(("For:", "Against:", "Exit:"))]
    return "\n".join([f"{card.title} · {card.tone}", *lines, buttons]).strip()


def test_a_pending_card_counts_down_and_its_buttons_carry_the_version() -> None:
    card = drawn(make.approval(version=3))

    assert card.expires_at == "2026-06-15T14:05:00+00:00"
    assert card.key == "approval:A00001"
    assert [button.action for button in card.buttons[0]] == ["approve:A00001.3", "reject:A00001.3"]
    assert all(len(button.action.encode()) <= 64 for row in card.buttons for button in row)


@pytest.mark.parametrize(
    ("quantity", "sizes"), [(1, []), (2, ["Half (1)"]), (3, ["Half (1)"]), (4, ["Half (2)", "One"])]
)
def test_half_of_one_contract_is_not_offered(quantity: int, sizes: list[str]) -> None:
    card = drawn(make.approval(make.plan(quantity=quantity)))

    labels = [button.label for row in card.buttons for button in row]
    assert [label for label in labels if label.startswith(("Half", "One"))] == sizes


def test_an_order_that_will_rest_names_its_worst_price_and_how_long_it_is_good() -> None:
    resting = make.approval(make.plan(make.signal(working=Working.REST)))
    facts = dict(drawn(resting, worst=worst_price(resting.plan.signal, ApprovalRules())).facts)
    assert (facts["Worst price"], facts["Good until"]) == ("credit 0.99", "the close of 15 Jun 26")


def test_an_order_that_is_stepped_names_neither() -> None:
    facts = dict(drawn(make.approval(), worst=D("-0.99")).facts)
    assert not {"Worst price", "Good until"} & facts.keys()


TICKET = make.ticket(reason="entry", working=Working.REST)


@pytest.mark.parametrize(
    ("approval", "story", "expected"),
    [
        (
            make.approval(version=2, note="The price moved -0.05 to 0.98: approve at the new price?"),
            {},
            "wheel: sell 2 × XYZ 44 put? · ask\n"
            "The price moved -0.05 to 0.98: approve at the new price?\n"
            "Receive 206.00 in all (credit 1.03 a share). The most it can lose: 8,594.00. "
            "Expires 20 Jul 26 (35 days).\n"
            "[Approve] [Reject] [Half (1)] [Better price] [Snooze] [Change] [Why] [Payoff]",
        ),
        (
            make.approval(status=ApprovalStatus.REJECTED, decided_by="ann", note="too early"),
            {},
            "wheel: sell 2 × XYZ 44 put (rejected) · neutral\nRejected by ann: too early.",
        ),
        (
            make.approval(status=ApprovalStatus.EXPIRED, decided_by="desk", note="nobody answered in time"),
            {},
            "wheel: sell 2 × XYZ 44 put (expired) · neutral\nExpired: nobody answered in time.",
        ),
        (
            make.approval(status=ApprovalStatus.BLOCKED, decided_by="ann", note="total risk 29.0% → 31.0%"),
            {},
            "wheel: sell 2 × XYZ 44 put (blocked) · bad\nNot sent: total risk 29.0% → 31.0%.",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {"ticket": replace(TICKET, attempts=1, filled=1)},
            "wheel: sell 2 × XYZ 44 put (order working) · neutral\n"
            "Approved by ann.\n"
            "Order A00001.1 is working: 1 of 2 filled, resting for the session, credit 0.98 at worst.\n"
            "[Try to cancel]",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {"ticket": replace(TICKET, working=Working.LADDER, attempts=2, step=1, cancel_requested=True)},
            "wheel: sell 2 × XYZ 44 put (order working) · neutral\n"
            "Approved by ann.\n"
            "Order A00001.1 is being canceled: 0 of 2 filled.",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {"ticket": replace(TICKET, attempts=1, status=TicketStatus.CLOSED, note="expired at the close")},
            "wheel: sell 2 × XYZ 44 put (not filled) · warning\nApproved by ann. Not filled: expired at the close.",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {
                "ticket": replace(TICKET, status=TicketStatus.FILLED, filled=2),
                "position": make.position(entry=D("-1.04")),
            },
            "wheel: sell 2 × XYZ 44 put (filled) · good\n"
            "Approved by ann.\n"
            "Filled 2 of 2 at credit 1.04 (208.00 in).\n"
            "[Position] [Why] [Close]",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {
                "ticket": replace(TICKET, status=TicketStatus.CLOSED, filled=1, note="canceled by ann"),
                "position": make.position(entry=D("-1.04")),
            },
            "wheel: sell 2 × XYZ 44 put (1 of 2 filled) · good\n"
            "Approved by ann.\n"
            "Filled 1 of 2 at credit 1.04 (104.00 in).\n"
            "The rest ended: canceled by ann.\n"
            "[Position] [Why] [Close]",
        ),
        (
            make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"),
            {
                "ticket": replace(TICKET, status=TicketStatus.FILLED, filled=2),
                "position": make.position(
                    status=PositionStatus.CLOSED, realised=D("103.00"), fees=D("4.00"), close_reason="target"
                ),
            },
            "wheel: sell 2 × XYZ 44 put (closed) · good\n"
            "Approved by ann.\n"
            "Closed (target): +103.00 realised, fees 4.00, net +99.00.",
        ),
    ],
    ids=["moved", "rejected", "expired", "blocked", "partial", "canceling", "not filled", "filled", "rest", "closed"],
)
def test_every_state_of_a_proposal_says_what_happened(
    approval: Approval, story: dict[str, object], expected: str
) -> None:
    assert head(drawn(approval, **story)) == expected


@pytest.mark.parametrize("status", [one for one in ApprovalStatus if one is not ApprovalStatus.PENDING], ids=str)
def test_an_answered_card_is_without_what_was_there_to_decide_by(status: ApprovalStatus) -> None:
    card = drawn(make.approval(status=status, decided_by="ann"), ticket=replace(TICKET, attempts=1))

    assert not {"P(profit)", "Net Greeks", "Spot", "Data"} & dict(card.facts).keys()
    assert {"Limit", "Max loss", "Max gain", "Breakeven", "Expires", "Collateral", "Fees"} <= dict(card.facts).keys()
    assert [line for line in card.lines if line.startswith(("For:", "Against:"))] == []


def test_the_way_to_the_reasons_stays_on_a_filled_card() -> None:
    desk = filled()

    card = desk.card(action="show:A00001")

    (why,) = [button.action for row in card.buttons for button in row if button.label == "Why"]
    assert "For: -0.24 delta, 46 % implied volatility" in desk.card(action=why).lines


def test_a_later_state_has_a_higher_version() -> None:
    approved = make.approval(status=ApprovalStatus.APPROVED, decided_by="ann")
    position = make.position()
    states = [
        drawn(make.approval()),
        drawn(approved, ticket=replace(TICKET, attempts=1)),
        drawn(approved, ticket=replace(TICKET, attempts=1, filled=1), position=position),
        drawn(approved, ticket=replace(TICKET, attempts=2, filled=2, status=TicketStatus.FILLED), position=position),
        drawn(
            approved,
            ticket=replace(TICKET, attempts=2, filled=2, status=TicketStatus.FILLED),
            position=replace(position, status=PositionStatus.CLOSED),
        ),
        drawn(make.approval(version=2)),
    ]

    versions = [card.version for card in states]
    assert versions == sorted(set(versions))


def test_unlimited_and_unknown_are_said() -> None:
    unit = make.outlook(max_gain=None, pop=None, pop_method="", greeks=None)
    facts = dict(drawn(make.approval(make.plan(make.signal(outlook=unit)))).facts)

    assert facts["Max gain"] == "unlimited"
    assert facts["P(profit)"] == "unknown"
    assert facts["Net Greeks"] == "unknown"


def test_a_modelled_number_carries_the_word() -> None:
    facts = dict(drawn(make.approval(make.plan(make.signal(data="replay, 0 s", modelled=True)))).facts)

    assert "(modelled)" in facts["Data"]


def test_a_package_shows_every_leg_in_a_table_a_phone_can_show() -> None:
    legs = (make.leg(make.call("187.5"), 1), make.leg(make.call(192), -1))
    card = drawn(make.approval(make.plan(make.signal(legs=legs, limit=D("1.50")), quantity=12)))

    assert card.title == "wheel: 12 × XYZ 187.5 / 192 call cash-secured put?"
    lines = table_text(card.tables[0]).splitlines()
    assert lines[1:] == ["buy open    12  187.5 call  15Jul26", "sell open   12  192 call    15Jul26"]
    assert max(map(len, lines)) <= PHONE


def filled() -> Visit:
    """A desk that holds two 44 puts sold at 1.03, one digest behind it."""
    desk = visit()
    propose(desk.world)
    desk.card(action="approve:A00001.1")
    desk.world.broker.fill("A00001.1.1")
    desk.world.clock.advance(seconds=1)
    quote_all(desk.world)
    orders.reconcile(desk.world.desk)
    return desk


@pytest.mark.parametrize(
    "text",
    ["/positions", "/orders", "/risk", "/pnl", "/account", "/proposals", "/health", "/whoami", "/position {held}"],
)
def test_the_views_fit_a_phone_and_carry_the_banner(text: str) -> None:
    desk = filled()
    with desk.world.store.read() as work:
        held = work.open_positions()[0].id

    card = desk.card(text.format(held=held))

    assert card.banner == "PAPER"
    for table in card.tables:
        assert max(map(len, table_text(table).splitlines())) <= PHONE, table_text(table)


def test_numbers_in_narrow_tables_are_right_aligned() -> None:
    table = Table(("Name", "P&L"), (("XYZ", "+5"), ("ABC", "-1,250")), right=(1,))

    assert table_text(table) == "Name     P&L\nXYZ       +5\nABC   -1,250"


@pytest.mark.parametrize("kind", list(EventKind), ids=str)
def test_every_kind_of_event_has_a_card_or_is_silent_on_purpose(kind: EventKind) -> None:
    assert (kind in SILENT) != (kind in announce.DRAWN)


@pytest.mark.parametrize("kind", sorted(SILENT), ids=str)
def test_what_is_silent_is_not_routed_anywhere(kind: EventKind) -> None:
    channels = Channels(("web:desk",), {kind: ("web:desk",)}, ("web:desk",))

    assert routes(make.event(kind=kind, severity=Severity.URGENT), channels) == ()


@pytest.mark.parametrize("kind", sorted(announce.DRAWN), ids=str)
def test_every_event_that_is_posted_can_be_drawn(kind: EventKind) -> None:
    desk = filled()
    with desk.world.store.read() as work:
        position = work.open_positions()[0].id
    subject = "A00001" if kind.value.startswith("approval") else position
    if kind.value.startswith("roll"):
        subject = waiting_roll(desk.world, position).id
    if kind is EventKind.DIGEST_READY:
        subject = "2026-06-15"
    if kind is EventKind.REPORT_READY:
        subject = "2026-W25"
    if kind in OF_ALERT:
        subject = waiting_alert(desk.world).id
    data = {"ticker": "XYZ", "words": "as agreed", "filled": 1, "quantity": 2, "reason": "stop", "purpose": "exit"}
    event = Event("V1", kind, make.NOW, subject, data, correlation="A00001")

    card = announce.card_for(desk.world.desk, event, "event:V1", "PAPER")

    assert card is not None
    assert card.title
    assert card.banner == "PAPER"
    assert "None" not in as_text(card)


@pytest.mark.parametrize("key", ["digest:2026-06-15", "event:V1"])
def test_the_digest_shows_the_head_of_the_audit_chain_it_was_published_with(key: str) -> None:
    desk = filled()
    head = audit.publish(desk.world.store)
    data = {"equity": "100000", "audit": str(head)}
    event = Event("V1", EventKind.DIGEST_READY, make.NOW, "2026-06-15", data)

    card = announce.card_for(desk.world.desk, event, key, "PAPER")

    assert card is not None
    assert dict(card.facts)["Audit"] == f"{head.number}:{head.hash[:16]}"


def test_the_account_says_which_account_it_is_and_how_far_it_may_trade_options() -> None:
    desk = filled()

    facts = dict(desk.card("/account").facts)

    assert facts["Account"] == "PA-TEST (paper)"
    assert facts["Options level"] == "3"
    assert {"Equity", "Liquidation", "Cash", "Reserved", "In flight", "Free", "Options BP"} <= facts.keys()


def test_an_account_the_desk_is_not_pinned_to_is_told() -> None:
    desk = filled()
    view = replace(portfolio.account(desk.world.desk), pinned="PA-OTHER")

    card = holdings.account_card(view, "LIVE PA-OTHER")

    assert card.tone is Tone.BAD
    assert "This is not the account the desk is pinned to (PA-OTHER): no live order is sent." in card.lines
