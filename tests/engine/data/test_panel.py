"""The panel of providers: who is asked, for how long, and what is made of those that fail. Real threads throughout."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest
from prometheus_client import REGISTRY

from engine.data.breaker import FIRST_WAIT, LONGEST_WAIT
from engine.data.budget import Allowance, Budget, Urgency, asking, urgency
from engine.data.lanes import MOST
from engine.data.panel import Answer, Panel
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised, Unreachable
from engine.data.seat import FAILURES, FAILURES_IN_ALL, REFUSED_FOR, WRONG_FOR
from engine.errors import DataInvalid, DataUnavailable, NotFound
from engine.model.market import Kind
from tests import make
from tests.engine.data.panelists import Hanging, Panelist, chain, close_all, panel_of, quotes, raising
from tests.ticks import Ticks

SHORT = 0.05
"""Seconds that a test lets a silent provider keep it waiting."""
DOWN = Unreachable("acme did not answer.")


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    close_all()


def offering(name: str, kind: Kind, answer: object = None) -> Panelist:
    return Panelist(name, lambda: answer or name, {Offer.QUOTES: kind})


class Counted(Panelist):
    """Takes its requests from a budget."""

    def __init__(self, name: str, budget: Budget) -> None:
        super().__init__(name, budget.take)
        self._budget = budget

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self._budget,)


def fail(panel: Panel, times: int) -> None:
    for _ in range(times):
        assert not panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given


def is_up(provider: str) -> float | None:
    return REGISTRY.get_sample_value("wsb_provider_up", {"provider": provider})


# Who is asked, and in what order they answer


def test_answers_stand_in_order_of_entitlement_whoever_sits_where():
    kinds = {"real": Kind.REAL, "hint": Kind.INDICATIVE, "late": Kind.DELAYED, "made": Kind.MODELLED}
    for order in permutations(kinds):
        given = panel_of(*(offering(name, kinds[name]) for name in order)).ask(Offer.QUOTES, quotes, Urgency.SCAN).given
        assert given == tuple(Answer(name, kind, name) for name, kind in kinds.items())


def test_among_equals_the_panels_order_holds():
    panel = panel_of(offering("b", Kind.REAL), offering("a", Kind.REAL))
    assert [answer.provider for answer in panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given] == ["b", "a"]


def test_only_those_who_offer_it_and_are_named_are_asked():
    other = Panelist("other", offers={Offer.NEWS: Kind.REAL})
    unnamed = offering("unnamed", Kind.REAL)
    panel = panel_of(other, unnamed, offering("named", Kind.DELAYED))
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, among={"named", "other"})
    assert [answer.provider for answer in answers.given] == ["named"]
    assert answers.troubles == ()
    assert (other.asked, unnamed.asked) == (0, 0)
    assert panel.offers(Offer.NEWS)
    assert not panel.offers(Offer.CURVE)
    assert panel.named(Offer.QUOTES, {Kind.REAL, Kind.MODELLED}) == {"unnamed"}


def test_the_first_is_the_best_entitled_and_nobody_else_is_asked():
    late, real = offering("late", Kind.DELAYED), offering("real", Kind.REAL)
    assert panel_of(late, real).first(Offer.QUOTES, quotes, Urgency.SCAN) == Answer("real", Kind.REAL, "real")
    assert late.asked == 0


def test_all_are_asked_at_once():
    together = threading.Barrier(5, timeout=10)
    panel = panel_of(*(Panelist(f"p{n}", together.wait) for n in range(5)))
    assert len(panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given) == 5


def test_the_urgency_and_the_callers_context_reach_the_thread():
    panel = panel_of(Panelist("acme", urgency))
    with asking(Urgency.BACKGROUND):
        assert panel.first(Offer.QUOTES, quotes, Urgency.ORDER).value is Urgency.ORDER


# Trouble


def test_a_trouble_is_told_and_the_others_answer():
    answers = panel_of(Panelist("acme", raising(DOWN)), offering("good", Kind.DELAYED)).ask(
        Offer.QUOTES, quotes, Urgency.SCAN
    )
    assert [answer.provider for answer in answers.given] == ["good"]
    assert answers.troubles == ("acme did not answer.",)


def test_a_defect_of_an_adapter_is_a_trouble_without_its_details():
    panel = panel_of(Panelist("acme", raising(KeyError("apikey=secret"))), offering("good", Kind.REAL))
    assert panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).troubles == ("acme broke on this (KeyError).",)


def test_the_next_one_answers_when_the_first_is_in_trouble():
    panel = panel_of(Panelist("acme", raising(DOWN)), offering("good", Kind.DELAYED))
    assert panel.first(Offer.QUOTES, quotes, Urgency.SCAN).provider == "good"


def test_nobody_answering_names_every_trouble():
    panel = panel_of(Panelist("acme", raising(DOWN)), Panelist("best", raising(DataInvalid("best sent NaN."))))
    with pytest.raises(DataUnavailable, match=r"acme did not answer\. best sent NaN\."):
        panel.first(Offer.QUOTES, quotes, Urgency.SCAN)


def test_nobody_offering_it_says_what():
    with pytest.raises(DataUnavailable, match="No source offers index levels"):
        panel_of(offering("acme", Kind.REAL)).first(Offer.LEVELS, quotes, Urgency.SCAN)


def test_what_all_do_not_know_is_not_found():
    panel = panel_of(*(Panelist(name, raising(NotFound(f"{name} has no XYZ."))) for name in ("a", "b")))
    with pytest.raises(NotFound, match="a has no XYZ"):
        panel.first(Offer.QUOTES, quotes, Urgency.SCAN)
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    assert (answers.given, answers.troubles, answers.unknown) == ((), (), ("a", "b"))


def test_a_minor_source_that_does_not_know_a_name_while_the_best_is_down_does_not_make_it_unknown():
    panel = panel_of(Panelist("acme", raising(DOWN)), Panelist("minor", raising(NotFound("minor has no XYZ."))))
    with pytest.raises(DataUnavailable, match="acme did not answer"):
        panel.first(Offer.QUOTES, quotes, Urgency.SCAN)


def test_what_the_best_does_not_know_another_one_may():
    panel = panel_of(Panelist("acme", raising(NotFound("no."))), offering("good", Kind.DELAYED))
    assert panel.first(Offer.QUOTES, quotes, Urgency.SCAN).provider == "good"


# Silence


def test_a_silent_provider_is_not_waited_for_past_the_deadline_and_its_late_answer_changes_nothing():
    hanging = Hanging()
    panel = panel_of(Panelist("acme", hanging), offering("good", Kind.DELAYED))
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, deadline=SHORT)
    assert [answer.provider for answer in answers.given] == ["good"]
    assert answers.troubles == (f"acme did not answer within {SHORT:g} s.",)
    hanging.let_go.set()
    assert panel.states()[0].answered_at is None
    assert panel.states()[0].trouble == answers.troubles[0]


def test_the_next_one_is_asked_while_the_first_keeps_silent():
    hanging = Hanging()
    panel = panel_of(Panelist("acme", hanging), offering("good", Kind.DELAYED))
    assert panel.first(Offer.QUOTES, quotes, Urgency.SCAN, deadline=SHORT).provider == "good"
    hanging.let_go.set()


def test_a_slow_best_one_still_wins_while_the_next_is_in_trouble():
    hanging = Hanging()

    def refuse() -> object:
        hanging.let_go.set()
        raise DOWN

    panel = panel_of(Panelist("acme", hanging), Panelist("bad", refuse, {Offer.QUOTES: Kind.DELAYED}))
    assert panel.first(Offer.QUOTES, quotes, Urgency.SCAN, deadline=0.5).value == "late"


def test_a_provider_whose_threads_all_hang_is_down_at_once_and_takes_nobody_along():
    hanging = Hanging()
    acme, good = Panelist("acme", hanging), offering("good", Kind.DELAYED)
    panel = panel_of(acme, good)
    with ThreadPoolExecutor(MOST[Urgency.SCAN]) as people:
        asks = [
            people.submit(panel.ask, Offer.QUOTES, quotes, Urgency.SCAN, deadline=SHORT)
            for _ in range(MOST[Urgency.SCAN])
        ]
        assert all(len(ask.result().given) == 1 for ask in asks)
    before = acme.asked
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, deadline=60)
    assert answers.troubles == ("acme hangs: nothing of it has come back yet.",)
    assert acme.asked == before
    assert not panel.states()[0].is_up
    assert is_up("acme") == 0
    hanging.let_go.set()


def test_hanging_scans_leave_threads_to_an_order():
    hanging = Hanging()
    acme = Panelist("acme", hanging)
    panel = panel_of(acme)
    scans = [
        threading.Thread(target=panel.ask, args=(Offer.CHAIN, chain, Urgency.SCAN), kwargs={"deadline": 30})
        for _ in range(MOST[Urgency.SCAN] + 3)
    ]
    for scan in scans:
        scan.start()
    for _ in range(MOST[Urgency.SCAN]):
        assert hanging.begun.acquire(timeout=10)
    acme.does = lambda: "at once"
    assert panel.first(Offer.QUOTES, quotes, Urgency.ORDER).value == "at once"
    hanging.let_go.set()
    for scan in scans:
        scan.join(10)


def test_threads_are_few_however_many_ask():
    hanging = Hanging()
    panel = panel_of(Panelist("crowd", hanging))
    with ThreadPoolExecutor(40) as people:
        asks = [people.submit(panel.ask, Offer.QUOTES, quotes, Urgency.SCAN, deadline=30) for _ in range(40)]
        for _ in range(MOST[Urgency.SCAN]):
            assert hanging.begun.acquire(timeout=10)
        assert sum(thread.name.startswith("crowd-") for thread in threading.enumerate()) <= MOST[Urgency.ORDER]
        hanging.let_go.set()
        assert all(ask.result().given for ask in asks)


def test_a_question_that_was_never_put_is_no_failure_of_the_provider():
    hanging = Hanging()
    panel = panel_of(Panelist("acme", hanging))
    with ThreadPoolExecutor(MOST[Urgency.SCAN]) as people:
        asks = [
            people.submit(panel.ask, Offer.CHAIN, chain, Urgency.SCAN, deadline=30) for _ in range(MOST[Urgency.SCAN])
        ]
        for _ in asks:
            assert hanging.begun.acquire(timeout=10)
        for _ in range(FAILURES):
            busy = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, deadline=SHORT)
            assert busy.troubles == ("acme is busy with other questions.",)
        hanging.let_go.set()
        assert all(ask.result().given for ask in asks)
    assert panel.states()[0].is_up


def test_a_turn_under_the_allowance_is_not_waited_for_longer_than_the_answer():
    budget = Budget("acme", Allowance(1, 3600.0))
    panel = panel_of(Panelist("acme", budget.take))
    with asking(Urgency.ORDER):
        budget.take()
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, deadline=0.5)
    assert "asked as often as it allows" in answers.troubles[0]
    assert panel.states()[0].is_up


# The breaker


def test_who_fails_is_left_alone_and_tried_again(ticks: Ticks):
    acme = Panelist("acme", raising(DOWN))
    panel = panel_of(acme, ticks=ticks)
    assert panel.states()[0].since is None
    fail(panel, FAILURES)
    assert not panel.states()[0].is_up
    assert panel.states()[0].since == make.NOW
    assert is_up("acme") == 0
    assert panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).troubles[0].startswith("acme is asked again in ")
    assert acme.asked == FAILURES
    acme.does = lambda: "back"
    ticks.advance(FIRST_WAIT)
    assert [answer.value for answer in panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given] == ["back"]
    assert panel.states()[0].is_up
    assert is_up("acme") == 1
    assert panel.states()[0].trouble == ""


def test_nobody_waits_for_one_that_is_being_tried_again(ticks: Ticks):
    acme, hanging = Panelist("acme", raising(DOWN)), Hanging()
    panel = panel_of(acme, offering("good", Kind.DELAYED), ticks=ticks)
    for _ in range(FAILURES):
        panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    ticks.advance(FIRST_WAIT)
    acme.does = hanging
    answers = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN, deadline=60)
    assert [answer.provider for answer in answers.given] == ["good"]
    assert answers.troubles == ("acme is being tried again.",)
    hanging.let_go.set()


@pytest.mark.parametrize(
    "error", [NotFound("no XYZ"), Throttled("too often"), Refused("not so")], ids=lambda error: type(error).__name__
)
def test_what_is_no_failure_never_opens_it(error: Exception):
    acme = Panelist("acme", raising(error))
    fail(panel_of(acme), 20)
    assert acme.asked == 20


@pytest.mark.parametrize("error", [DOWN, DataInvalid("acme sent NaN"), ValueError("x")], ids=lambda e: type(e).__name__)
def test_silence_nonsense_and_defects_open_it(error: Exception):
    acme = Panelist("acme", raising(error))
    fail(panel_of(acme), 20)
    assert acme.asked == FAILURES


def test_one_broken_question_takes_no_other_away():
    acme = Panelist("acme")
    panel = panel_of(acme)
    acme.does = raising(DOWN)
    for _ in range(10):
        panel.ask(Offer.CHAIN, chain, Urgency.BACKGROUND)
    acme.does = lambda: "fine"
    assert panel.first(Offer.QUOTES, quotes, Urgency.ORDER).value == "fine"


def test_all_questions_failing_is_the_provider_failing():
    acme = Panelist("acme", raising(DOWN), dict.fromkeys((Offer.QUOTES, Offer.CHAIN, Offer.NEWS), Kind.REAL))
    panel = panel_of(acme)
    for _ in range(FAILURES):
        panel.ask(Offer.CHAIN, chain, Urgency.SCAN)
        panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    assert acme.asked == FAILURES_IN_ALL
    panel.ask(Offer.NEWS, quotes, Urgency.SCAN)
    assert acme.asked == FAILURES_IN_ALL


def test_keys_that_are_not_accepted_end_all_questions_for_the_longest_wait(ticks: Ticks):
    acme = Panelist("acme", raising(Unauthorised("acme does not accept the keys.")))
    panel = panel_of(acme, ticks=ticks)
    fail(panel, 1)
    panel.ask(Offer.CHAIN, chain, Urgency.SCAN)
    assert acme.asked == 1
    assert not panel.states()[0].is_up
    ticks.advance(LONGEST_WAIT)
    acme.does = lambda: "new keys"
    assert panel.first(Offer.CHAIN, chain, Urgency.SCAN).value == "new keys"


def test_what_the_keys_do_not_cover_is_not_offered_for_an_hour(ticks: Ticks):
    acme = Panelist("acme", raising(NotEntitled("acme does not give chains.")))
    panel = panel_of(acme, ticks=ticks)
    assert panel.ask(Offer.CHAIN, chain, Urgency.SCAN).troubles == ("acme does not give chains.",)
    assert not panel.offers(Offer.CHAIN)
    assert panel.ask(Offer.CHAIN, chain, Urgency.SCAN).troubles == ()
    acme.does = lambda: "quotes"
    assert panel.first(Offer.QUOTES, quotes, Urgency.SCAN).value == "quotes"
    assert panel.states()[0].is_up
    assert panel.states()[0].offers == ("quotes: real",)
    ticks.advance(REFUSED_FOR)
    assert panel.offers(Offer.CHAIN)


def test_a_ticker_the_keys_do_not_cover_ends_no_others(ticks: Ticks):
    acme = Panelist("acme", lambda: "AAPL")
    panel = panel_of(acme, ticks=ticks)
    panel.first(Offer.CHAIN, chain, Urgency.SCAN)
    acme.does = raising(NotEntitled("acme gives XYZ to subscribers only."))
    panel.ask(Offer.CHAIN, chain, Urgency.SCAN)
    assert panel.offers(Offer.CHAIN)


# What is told


def test_wrong_numbers_are_counted_and_a_provider_with_many_is_down_for_a_while(ticks: Ticks):
    panel = panel_of(Panelist("acme", lambda: dict.fromkeys("abcdefghij")), ticks=ticks)
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    panel.drop("acme", 1, "acme is ten times off on XYZ.")
    assert panel.states()[0].is_up
    panel.drop("acme", 2, "acme is ten times off on two more.")
    state = panel.states()[0]
    assert (state.is_up, state.dropped, state.trouble) == (False, 3, "acme is ten times off on two more.")
    assert is_up("acme") == 0
    assert len(panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given) == 1
    ticks.advance(WRONG_FOR)
    assert panel.states()[0].is_up


def test_few_wrong_numbers_among_many_are_no_reason_to_call_it_down(ticks: Ticks):
    panel = panel_of(Panelist("acme", lambda: dict.fromkeys(range(500))), ticks=ticks)
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    panel.drop("acme", 3, "three are off.")
    assert (panel.states()[0].is_up, panel.states()[0].trouble) == (True, "three are off.")
    ticks.advance(WRONG_FOR)
    assert (panel.states()[0].dropped, panel.states()[0].trouble) == (3, "")


def test_among_equals_the_one_that_was_wrong_is_asked_last():
    panel = panel_of(offering("liar", Kind.REAL), offering("honest", Kind.REAL), offering("late", Kind.DELAYED))
    panel.drop("liar", 5, "five are off.")
    given = panel.ask(Offer.QUOTES, quotes, Urgency.SCAN).given
    assert [answer.provider for answer in given] == ["honest", "liar", "late"]


def test_a_state_tells_all_about_a_provider():
    acme = Panelist("acme", lambda: "x", {Offer.CHAIN: Kind.INDICATIVE, Offer.QUOTES: Kind.REAL})
    acme.allowances = (Allowance(25, 86_400),)
    acme.is_proven = True
    panel = panel_of(acme)
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    state = panel.states()[0]
    assert state.name == "acme"
    assert state.offers == ("quotes: real", "option chains: indicative")
    assert (state.is_up, state.trouble, state.answered_at) == (True, "", make.NOW)
    assert (state.budget, state.dropped, state.is_proven) == ("25 a day", 0, True)


def test_a_state_tells_what_may_still_be_asked():
    budget = Budget("acme", Allowance(25, 86_400), tick=Ticks())
    panel = panel_of(Counted("acme", budget))
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    assert panel.states()[0].budget == "acme: 24 of 25 a day"


def test_every_offer_has_its_words():
    acme = Panelist("acme", offers=dict.fromkeys(Offer, Kind.REAL))
    assert len(set(panel_of(acme).states()[0].offers)) == len(Offer)


def test_requests_and_times_are_counted_by_provider_and_question():
    budget = Budget("meter", Allowance(10, 60.0))
    panel = panel_of(Panelist("meter", budget.take))
    labels = {"provider": "meter", "endpoint": "quotes"}
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    panel.ask(Offer.QUOTES, quotes, Urgency.SCAN)
    assert REGISTRY.get_sample_value("api_requests_total", labels) == 2
    assert REGISTRY.get_sample_value("api_request_duration_seconds_count", labels) == 2


# What may be asked of whom without waiting


class Partly(Panelist):
    """A panelist under an allowance of which some is used up."""

    def __init__(self, name: str, kind: Kind, ticks: Ticks, *, used: int, of: Allowance) -> None:
        super().__init__(name, lambda: name, {Offer.QUOTES: kind})
        self.budget = Budget(name, of, tick=ticks)
        with asking(Urgency.ORDER):
            for _ in range(used):
                self.budget.take()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)


def test_the_wait_is_the_best_entitled_ones_until_all_of_its_requests_fit(ticks: Ticks):
    late = Partly("late", Kind.DELAYED, ticks, used=10, of=Allowance(10, 60.0))
    real = Partly("real", Kind.REAL, ticks, used=3, of=Allowance(10, 60.0))
    panel = panel_of(late, real, ticks=ticks)
    assert panel.wait(Offer.QUOTES, Urgency.BACKGROUND, 2) == 0.0
    assert panel.wait(Offer.QUOTES, Urgency.BACKGROUND, 3) == 60.0
    assert panel.wait(Offer.CHAIN, Urgency.BACKGROUND) == 0.0


def test_waiting_for_all_leaves_out_who_has_nothing_left_today(ticks: Ticks):
    spent = Partly("spent", Kind.REAL, ticks, used=25, of=Allowance(25, 86_400.0))
    busy = Partly("busy", Kind.REAL, ticks, used=10, of=Allowance(10, 30.0))
    free = Partly("free", Kind.REAL, ticks, used=0, of=Allowance(10, 30.0))
    assert panel_of(spent, busy, free, ticks=ticks).wait_for_all(Offer.QUOTES, Urgency.BACKGROUND) == 30.0
    assert panel_of(spent, free, ticks=ticks).wait_for_all(Offer.QUOTES, Urgency.BACKGROUND) == 0.0
    assert panel_of(spent, ticks=ticks).wait_for_all(Offer.QUOTES, Urgency.BACKGROUND) == 86_400.0
