"""From an event to the card that tells it: live cards come from the store, one-off notices from the event itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from alerts.gathering import failed
from alerts.routes import OF_ALARM, OF_ALERT, SILENT, card_key
from alerts.rules.positions import EXIT_FAILED, not_done
from alerts.watching import RESTS
from bot import words
from bot.cards.adoption import adoption_card
from bot.cards.alerts import alert_card, answered
from bot.cards.digests import Beyond, digest_card
from bot.cards.holdings import closed_position_card
from bot.cards.life import told_agenda_card
from bot.cards.panic import panic_card
from bot.cards.rolls import roll_card
from bot.cards.setup import channel_test, seen_by
from bot.message import Button, Card, Tone
from bot.notices import TITLES, notice
from bot.proposal import proposal_card, story
from engine import audit, digests, halts, mending, panic, rolls
from engine.alarms import Trouble
from engine.desk import Desk
from engine.model.digests import Digest, named
from engine.model.events import Event, EventKind
from engine.model.orders import MANUAL, NET
from engine.store import UnitOfWork

Draw = Callable[[Desk, Event, str], Card | None]


def card_for(desk: Desk, event: Event, key: str, banner: str) -> Card | None:
    """The card of `event` under `key` ("approval:A00004", "digest:2019-03-04", "event:..."); None: nothing to say.

    A key that names a proposal, a digest or a question about holdings draws it as it stands now.
    """
    if event.kind in SILENT:
        return None
    kind, _, subject = key.partition(":")
    if kind == "approval":
        return _proposal(desk, subject, banner)
    if kind == "alert":
        return _alert(desk, subject, banner)
    if kind == "panic":
        return _panic(desk, subject, banner)
    if kind == "adoption":
        return _adoption(desk, subject, banner)
    if kind == "roll":
        return _roll(desk, event, banner)
    if kind == "digest":
        return _digest(desk, event, banner)
    return DRAWN[event.kind](desk, event, banner)


def _proposal(desk: Desk, approval_id: str, banner: str) -> Card:
    with desk.store.read() as work:
        told = story(work, work.approval(approval_id), desk.rules)
    return proposal_card(told, desk.now(), banner)


def _of_approval(desk: Desk, event: Event, banner: str) -> Card:
    return _proposal(desk, event.correlation or event.subject, banner)


def _panic(desk: Desk, id: str, banner: str) -> Card | None:
    """The flattening as it stands; nothing more is said of one that another took the place of."""
    with desk.store.read() as work:
        state = halts.flatten(work)
    return panic_card(state, banner) if state is not None and state.id == id else None


def _alert(desk: Desk, card: str, banner: str) -> Card:
    with desk.store.read() as work:
        return alert_card(work.alerts_on(card), banner)


def _of_alert(desk: Desk, event: Event, banner: str) -> Card:
    return _alert(desk, event.subject, banner)


def _adoption(desk: Desk, adoption_id: str, banner: str) -> Card:
    with desk.store.read() as work:
        return adoption_card(work.adoption(adoption_id), banner)


def _digest(desk: Desk, event: Event, banner: str) -> Card:
    """What was made, and the head of the audit chain as it was published: a copy of it outside the database."""
    published = next(iter(audit.heads_in(str(event.data.get("audit", "")))), None)
    made = digests.digest(desk, *named(event.subject))
    return told_digest(desk, made, banner, published.short if published else "")


def told_digest(desk: Desk, made: Digest, banner: str, head: str = "") -> Card:
    """A digest with the curve of the quarter up to its end."""
    history, index = digests.curve(desk, made.period.last)
    return digest_card(made, banner, Beyond(history, index, head))


def _notice(desk: Desk, event: Event, banner: str) -> Card:
    del desk
    return notice(event, banner)


def _halted(desk: Desk, event: Event, banner: str) -> Card | None:
    """A halt; one that a panic began is told by the panic itself."""
    return None if event.data.get("why") == panic.WHY else _notice(desk, event, banner)


def _order_ended(desk: Desk, event: Event, banner: str) -> Card | None:
    """An entry redraws its proposal; an exit that ended is told on its own, a net that stepped aside is not."""
    if event.data.get("reason") == NET:
        return None
    if event.data.get("purpose") != "exit":
        return _of_approval(desk, event, banner)
    facts = (("Order", event.subject), ("Filled", f"{event.data.get('filled')} of {event.data.get('quantity')}"))
    note = (str(event.data.get("note", "")),)
    return Card(f"Order ended: {event.data.get('ticker')}", lines=note, facts=facts, banner=banner, key=_key(event))


def _filled(desk: Desk, event: Event, banner: str) -> Card | None:
    """An entry's fill redraws its proposal; an exit's fill is told unless that closed the position."""
    data = event.data
    if data.get("purpose") == "entry" and data.get("approval"):
        return _proposal(desk, str(data["approval"]), banner)
    with desk.store.read() as work:
        position = work.find_position(event.subject)
        sounded = _sounded(work, event)
    if position is not None and not position.is_open:
        return None
    facts = (("Filled", f"{data.get('filled')} of {data.get('quantity')}"), ("At", _net(data.get("average"))))
    return Card(
        f"Closing {data.get('ticker')}: filled",
        Tone.GOOD,
        facts=facts,
        buttons=_position_button(event),
        footer=event.subject,
        banner=banner,
        key=_key(event),
        sounded=sounded,
    )


def _sounded(work: UnitOfWork, event: Event) -> int | None:
    """0 (`Card.sounded`) for the fill of an exit that made its sound a moment ago: one trouble is heard once.

    Who closed it by hand waits for the fill and hears it, and so does who was told that it does not get done.
    """
    about = work.events_about(event.subject)
    begun = [e for e in about if e.kind is EventKind.EXIT_STARTED and timedelta(0) <= event.at - e.at <= RESTS]
    return 0 if any(each.data.get("reason") != MANUAL and not _is_alarmed(about, each) for each in begun) else None


def _is_alarmed(about: Sequence[Event], begun: Event) -> bool:
    """Whether an exit began while its position's alarm ran, or to fail: then that alarm tells it. `about`: by time."""
    turns = [each for each in about if each.kind in OF_ALARM and each.data.get("trouble") == Trouble.EXIT]
    before = [each for each in turns if (each.at, each.id) < (begun.at, begun.id)]
    after = turns[len(before) :]
    ran = bool(before) and before[-1].kind is EventKind.EXIT_FAILED
    return ran or (bool(after) and after[0].kind is EventKind.EXIT_FAILED and after[0].at - begun.at <= RESTS)


def _exit_started(desk: Desk, event: Event, banner: str) -> Card | None:
    """Nothing where its alarm tells it: every try is counted there, and answered there."""
    data = event.data
    with desk.store.read() as work:
        if data.get("reason") != MANUAL and _is_alarmed(work.events_about(event.subject), event):
            return None
        position = work.find_position(event.subject)
    # Of several positions in one name it has to be plain which one goes.
    what = "" if position is None else f" × {position.structure}"
    facts = (("Quantity", f"{data.get('quantity')}{what}"), ("Limit", _net(data.get("limit"))))
    return Card(
        f"Closing {data.get('ticker')}" + ("" if data.get("reason") == MANUAL else f": {data.get('reason')}"),
        Tone.WARNING,
        lines=(_sentence(data.get("words")),),
        facts=facts,
        buttons=_position_button(event),
        footer=event.subject,
        banner=banner,
        key=_key(event),
    )


def _net(text: object) -> str:
    """A net price out of an event's data, in words."""
    return words.net(Decimal(str(text))) if text is not None else words.UNKNOWN


def _position_button(event: Event) -> tuple[tuple[Button, ...], ...]:
    return ((Button("Position", f"position:{event.subject}"),),)


def _closed(desk: Desk, event: Event, banner: str) -> Card:
    with desk.store.read() as work:
        position, sounded = work.position(event.subject), _sounded(work, event)
    return replace(closed_position_card(position, 1, banner), sounded=sounded)


def _roll(desk: Desk, event: Event, banner: str) -> Card:
    """A roll as it stands now, whatever the event was."""
    with desk.store.read() as work:
        roll = rolls.find(work, event.subject)
    return roll_card(roll, desk.now(), banner)


def _exit_offered(desk: Desk, event: Event, banner: str) -> Card:
    """A strategy's question, with a button to roll where the position can be rolled."""
    card = notice(event, banner)
    with desk.store.read() as work:
        if not rolls.is_rollable(work, event.subject):
            return card
    return replace(card, buttons=(*card.buttons[:-1], (_roll_button(event), *card.buttons[-1])))


def _roll_button(event: Event) -> Button:
    return Button("Roll", f"roll:{event.subject}", Tone.ASK)


def _test_card(desk: Desk, event: Event, banner: str) -> Card:
    """The test card with everybody who has seen it by now."""
    with desk.store.read() as work:
        names = seen_by(work, event.id)
    return channel_test(event, names, banner)


def _warned(desk: Desk, event: Event, banner: str) -> Card:
    """A warning before expiry, with what can be done about it while the position is held."""
    card = notice(event, banner)
    with desk.store.read() as work:
        position = work.find_position(event.subject)
        can_roll = rolls.is_rollable(work, event.subject)
    if position is None or not position.is_open:
        return card
    close = Button("Close", f"close:{position.id}", Tone.BAD)
    roll = (_roll_button(event),) if can_roll else ()
    return replace(card, buttons=((close,), (*roll, *_position_button(event)[0])))


def _agenda(desk: Desk, event: Event, banner: str) -> Card:
    """What was told to expire soon, as it was told; /agenda shows it as it stands now."""
    del desk
    lines = event.data.get("lines")
    told = tuple(str(line) for line in lines) if isinstance(lines, list | tuple) else ()
    return told_agenda_card(told, banner, _key(event))


def _leg_lost(desk: Desk, event: Event, banner: str) -> Card:
    """What is left of a broken package now, with a button for every step that puts it right."""
    with desk.store.read() as work:
        left = mending.repairs(work.campaign(str(event.data.get("campaign"))))
    buttons = tuple((Button(_repair_label(each), f"close:{each.position.id}", Tone.BAD),) for each in left)
    card = replace(notice(event, banner), buttons=(*buttons, *_position_button(event)))
    return card if left else replace(card, lines=(*card.lines, "Nothing of it is open any more."))


def _repair_label(repair: mending.Repair) -> str:
    return repair.words[0].upper() + repair.words[1:]


def alarm_card(desk: Desk, event: Event, banner: str) -> Card:
    """A protective action that does not get done: how often it failed, why last, who looks after it, what to do."""
    data, failing = event.data, failed(event)
    about = (EXIT_FAILED.name, failing.subject)
    with desk.store.read() as work:
        alert = next((each for each in work.open_alerts() if (each.rule, each.subject) == about), None)
        sounded = _rung(work, event)
    answer = None if alert is None else answered(alert)
    seen = (Button("Seen", f"seen:{event.subject}", Tone.ASK),) if answer is None else ()
    what = "The net of" if data.get("trouble") == Trouble.NET else "An exit of"
    count = _count(event)
    retry = Button("Retry", f"retry:{event.subject}", Tone.ASK)
    close = Button("Close", f"close:{event.subject}", Tone.BAD)
    look = Button("Position", f"position:{event.subject}")
    return Card(
        f"URGENT: {what} {data.get('ticker')} is not getting done",
        Tone.BAD,
        lines=(_sentence(data.get("note")), not_done(failing).advice),
        facts=(("Failed", "once" if count == 1 else f"{count} times"), *((answer,) if answer else ())),
        buttons=((*seen, retry, look), (close,)),
        footer=event.subject,
        banner=banner,
        key=card_key(event),
        version=count,
        sounded=sounded,
    )


def _rung(work: UnitOfWork, event: Event) -> int | None:
    """The try from which on an alarm is heard anew (`Card.sounded`): after a while without any, as over a night.

    Whoever answered it, or slept through it, has to hear that it does not get done today either.
    """
    about = (e for e in work.events_about(event.subject) if e.kind is EventKind.EXIT_FAILED)
    tries = [e for e in about if e.data.get("alarm") == event.data.get("alarm") and _count(e) <= _count(event)]
    fresh = [_count(after) for before, after in pairwise(tries) if after.at - before.at > RESTS]
    return fresh[-1] if fresh else None


def _count(event: Event) -> int:
    """How often what an alarm tells had failed by then."""
    return int(str(event.data.get("count", 1)))


def _recovered(desk: Desk, event: Event, banner: str) -> Card:
    """The same card when its trouble is over: nothing is left to tap."""
    del desk
    data = event.data
    return Card(
        f"Done: {data.get('ticker')}",
        Tone.GOOD,
        lines=(_sentence(data.get("note")),),
        buttons=_position_button(event),
        footer=event.subject,
        banner=banner,
        key=card_key(event),
        version=_count(event),
        sounded=0,
    )


def _sentence(note: object) -> str:
    text = str(note or "")
    return text[:1].upper() + text[1:]


def _key(event: Event) -> str:
    return f"event:{event.id}"


DRAWN: Mapping[EventKind, Draw] = {
    EventKind.APPROVAL_REQUESTED: _of_approval,
    EventKind.APPROVAL_CHANGED: _of_approval,
    EventKind.ORDER_SENT: _of_approval,
    EventKind.ORDER_ENDED: _order_ended,
    EventKind.FILLED: _filled,
    EventKind.EXIT_STARTED: _exit_started,
    EventKind.POSITION_CLOSED: _closed,
    EventKind.EXIT_FAILED: alarm_card,
    EventKind.EXIT_RECOVERED: _recovered,
    EventKind.DIGEST_READY: _digest,
    EventKind.REPORT_READY: _digest,
    **dict.fromkeys(TITLES, _notice),
    EventKind.HALTED: _halted,
    EventKind.LEG_LOST: _leg_lost,
    EventKind.EXIT_OFFERED: _exit_offered,
    EventKind.EXPIRY_AGENDA: _agenda,
    EventKind.EXPIRY_WARNING: _warned,
    EventKind.TEST_CARD: _test_card,
    **dict.fromkeys(OF_ALERT, _of_alert),
    EventKind.ROLL_OFFERED: _roll,
    EventKind.ROLL_CHANGED: _roll,
}
"""How each kind of event that is posted becomes a card; the others are in SILENT (a test says none is forgotten)."""
