"""The transport under every client: answers that never end, that fill the memory, or that break off."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator

import pytest
import requests

from engine.transport import Timeouts, prepare
from tests.standins.provider_server import ProviderServer, Trouble, serving

LARGEST = 200_000
TIMES = Timeouts(connect=2.0, read=0.3, retrying=1.0)
SECRET = "planted-key"


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with serving(ProviderServer({"/good": lambda query: (200, {"n": 1})})) as made:
        yield made


@pytest.fixture
def session(server: ProviderServer) -> Iterator[requests.Session]:
    with requests.Session() as made:
        prepare(made, server.url + "/", TIMES, LARGEST)
        yield made


def test_an_answer_is_read_whole_and_its_connection_used_again(server: ProviderServer, session: requests.Session):
    assert [session.get(f"{server.url}/good").json() for _ in range(3)] == [{"n": 1}] * 3
    pools = session.get_adapter(server.url).poolmanager.pools  # type: ignore[attr-defined]
    (host,) = pools.keys()
    assert pools[host].num_connections == 1


def test_a_packed_answer_is_unpacked(server: ProviderServer, session: requests.Session):
    rows = [{"n": number} for number in range(5000)]
    server.fail(Trouble(200, gzip.compress(json.dumps(rows).encode()), {"Content-Encoding": "gzip"}))
    assert session.get(f"{server.url}/good").json() == rows


def test_an_answer_that_drips_is_given_up(server: ProviderServer, session: requests.Session):
    server.fail(Trouble(200, "x" * 1000, drip=0.1))
    begun = time.monotonic()
    with pytest.raises(requests.ReadTimeout, match="still coming"):
        session.get(f"{server.url}/good", params={"apikey": SECRET})
    assert time.monotonic() - begun < TIMES.whole + 1.0


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_answer_that_is_too_large_is_not_taken_in(
    server: ProviderServer, session: requests.Session, is_packed: bool
):
    body = b"0" * (50 * LARGEST)
    trouble = Trouble(200, gzip.compress(body), {"Content-Encoding": "gzip"}) if is_packed else Trouble(200, body)
    server.fail(trouble)
    with pytest.raises(requests.RequestException, match="more than 200,000 bytes") as caught:
        session.get(f"{server.url}/good", params={"apikey": SECRET})
    assert SECRET not in str(caught.value)


def test_an_answer_that_breaks_off_is_none_however_complete_it_looks(server: ProviderServer, session: requests.Session):
    server.fail(Trouble(200, '{"n": 1}', cut=True))
    with pytest.raises(requests.ConnectionError, match="broke off"):
        session.get(f"{server.url}/good")
