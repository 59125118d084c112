"""Taps that are not a decision yet: kept in order, by version, over a restart."""

from datetime import timedelta

from engine.model.records import Consent, Need
from engine.store import Store
from tests import make


def consent(number: int, name: str, version: int = 1) -> Consent:
    until = make.NOW + timedelta(seconds=30)
    return Consent("A00001", version, number, name, make.NOW, until, Need.CONFIRMATION)


def test_taps_come_back_in_their_order_and_for_their_version_only(store: Store) -> None:
    with store.begin() as work:
        work.add_approval(make.approval())
        for each in (consent(1, "ann"), consent(2, ""), consent(3, "tom"), consent(1, "eve", version=2)):
            work.add_consent(each)

    with store.read() as work:
        assert [each.name for each in work.consents("A00001", 1)] == ["ann", "", "tom"]
        assert work.consents("A00001", 2) == (consent(1, "eve", version=2),)
        assert work.consents("A00001", 3) == ()


def test_they_outlive_the_process(durable_url: str) -> None:
    with Store.open(durable_url) as first, first.begin() as work:
        work.add_approval(make.approval())
        work.add_consent(consent(1, "ann"))

    with Store.open(durable_url) as second, second.read() as work:
        assert work.consents("A00001", 1) == (consent(1, "ann"),)


def test_a_snoozed_version_keeps_its_time_and_a_life_can_be_made_longer(store: Store) -> None:
    until = make.NOW + timedelta(minutes=10)
    with store.begin() as work:
        first = make.approval()
        work.add_approval(first)
        asleep = work.revise("A00001", 1, first.plan, until, "later", until)
        longer = work.postpone("A00001", 2, until + timedelta(minutes=5))

    assert (asleep.snoozed_until, asleep.expires_at) == (until, until)
    assert longer.expires_at == until + timedelta(minutes=5)
    with store.read() as work:
        assert [version.snoozed_until for version in work.approval_versions("A00001")] == [None, until]
