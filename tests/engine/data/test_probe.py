"""One cheap question to each provider, at the same time."""

from __future__ import annotations

import time

from engine.data.probe import probed, together
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Throttled, Unauthorised
from engine.errors import NotFound
from engine.model.market import Kind
from tests import make
from tests.engine.data.panelists import Hanging, Panelist, raising


def test_one_that_hangs_costs_no_other_its_answer() -> None:
    hanging = Hanging()
    began = time.monotonic()

    slow, quick = probed([Panelist("slow", hanging), Panelist("quick", dict)], make.NOW, 0.3)
    hanging.let_go.set()

    assert time.monotonic() - began < 5.0
    assert (slow.answered, slow.troubles) == ((), ("No answer within 0.3 s.",))
    assert quick.answered == (Offer.QUOTES,)
    assert quick.has(Offer.QUOTES, [Kind.REAL])


def test_keys_that_are_not_accepted_are_told_from_a_subscription_that_is_too_small() -> None:
    refused, small = probed(
        [Panelist("a", raising(Unauthorised("no"))), Panelist("b", raising(NotEntitled("not covered")))], make.NOW, 5.0
    )

    assert (refused.is_unauthorised, small.is_unauthorised) == (True, False)
    assert small.troubles == ("not covered",)


def test_a_name_that_is_not_known_is_an_answer_and_a_used_up_allowance_is_none() -> None:
    unknown, throttled = probed(
        [Panelist("a", raising(NotFound("?"))), Panelist("b", raising(Throttled("later")))], make.NOW, 5.0
    )

    assert (unknown.answered, throttled.answered) == ((Offer.QUOTES,), ())


def test_a_defect_is_told_by_its_name() -> None:
    (broken,) = probed([Panelist("a", raising(ZeroDivisionError()))], make.NOW, 5.0)

    assert broken.troubles == ("a broke on this (ZeroDivisionError).",)


def test_one_question_is_asked_of_who_has_no_quotes_and_none_of_who_has_nothing() -> None:
    only_chains = Panelist("a", dict, {Offer.CHAIN: Kind.DELAYED})
    nothing = Panelist("b", dict, {})

    first, second = probed([only_chains, nothing], make.NOW, 5.0)

    assert (first.answered, only_chains.asked) == ((Offer.CHAIN,), 1)
    assert (second.answered, second.troubles, nothing.asked) == ((), (), 0)


def test_jobs_keep_their_places() -> None:
    one, two = together([lambda: 1, lambda: 2], 5.0)

    assert (one.value, two.value) == (1, 2)
