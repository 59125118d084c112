"""Questions about the broker's holdings in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import NotFound
from engine.model.adoptions import Adoption, AdoptionKind, AdoptionStatus
from engine.model.book import Holding
from engine.store import Store
from tests import make

ASKED = Adoption(
    "U00001",
    AdoptionKind.TRADED,
    "XYZ",
    AdoptionStatus.ASKED,
    make.NOW,
    (Holding(make.put(), -2, make.D("1.03")), Holding(make.share(), 100, make.D("44.123456"))),
    (make.fill(),),
    words=("It becomes shares.",),
)


def test_a_question_comes_back_as_it_was_and_moves_between_the_states(store: Store) -> None:
    with store.begin() as work:
        work.add_adoption(ASKED)
    with store.read() as work:
        assert work.adoption("U00001") == ASKED
        assert work.adoptions(AdoptionStatus.ASKED) == (ASKED,)
    ignored = replace(ASKED, status=AdoptionStatus.IGNORED, decided_by="tom", decided_at=make.NOW)
    with store.begin() as work:
        work.save_adoption(ignored)

    with store.read() as work:
        assert work.adoptions(AdoptionStatus.ASKED) == ()
        assert work.adoptions(AdoptionStatus.IGNORED) == (ignored,)


def test_a_question_nobody_asked_is_not_found(store: Store) -> None:
    with store.begin() as work:
        with pytest.raises(NotFound, match="no question U00009"):
            work.adoption("U00009")
        with pytest.raises(NotFound):
            work.save_adoption(ASKED)
