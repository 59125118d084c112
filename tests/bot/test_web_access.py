"""Who is let in to the page, and what every answer carries."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bot.people import People, Role, User
from bot.platforms.web_access import GUESS_WINDOW, MOST_GUESSES, MOST_SESSIONS, Access
from bot.platforms.web_app import start_web
from engine import meters
from engine.errors import ConfigError, NotAllowed
from tests.page import PageWorld


async def test_wrong_token_is_refused_in_a_sentence(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.post(page.url("/login"), json={"token": "guess"}, headers=page.origin())

    assert answer.status == 401
    assert (await answer.json())["error"].startswith("That token is not valid")
    assert "Set-Cookie" not in answer.headers


async def test_guesses_are_limited_and_keep_nobody_out(page: PageWorld, stranger: aiohttp.ClientSession):
    for _ in range(MOST_GUESSES):
        await stranger.post(page.url("/login"), json={"token": "guess"}, headers=page.origin())

    guess = await stranger.post(page.url("/login"), json={"token": "guess"}, headers=page.origin())
    owner = await stranger.post(page.url("/login"), json={"token": page.web.tokens["ann"]}, headers=page.origin())

    assert (guess.status, owner.status) == (429, 200)
    assert "Try again in" in (await guess.json())["error"]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"token": 7}', "nonsense", "[" * 3000])
async def test_malformed_login_is_a_bad_request(page: PageWorld, stranger: aiohttp.ClientSession, body: str):
    headers = page.origin() | {"Content-Type": "application/json"}

    answer = await stranger.post(page.url("/login"), data=body, headers=headers)

    assert answer.status == 400


async def test_login_from_a_form_of_another_kind_is_a_bad_request(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.post(
        page.url("/login"), data=json.dumps({"token": page.web.tokens["ann"]}), headers=page.origin()
    )

    assert answer.status == 400


async def test_large_login_is_refused(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.post(page.url("/login"), json={"token": "x" * 10_000}, headers=page.origin())

    assert answer.status == 413


async def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    page: PageWorld, stranger: aiohttp.ClientSession
):
    answer = await stranger.post(page.url("/login"), json={"token": page.web.tokens["ann"]}, headers=page.origin())

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page.web.tokens["ann"] not in cookie


async def test_session_tells_who_is_logged_in(page: PageWorld, stranger: aiohttp.ClientSession):
    async with page.login("ben") as client:
        known = await (await client.get(page.url("/session"))).json()
    unknown = await (await stranger.get(page.url("/session"))).json()

    assert (known, unknown) == ({"name": "ben"}, {"name": ""})


@pytest.mark.parametrize("path", ["/socket", "/picture/m1-1-0.png"])
async def test_without_a_session_there_is_nothing_to_see(page: PageWorld, stranger: aiohttp.ClientSession, path: str):
    answer = await stranger.get(page.url(path), headers=page.origin())

    assert answer.status == 401


async def test_logging_out_closes_every_page_of_the_session(page: PageWorld):
    async with page.login() as client, client.ws_connect(page.url("/socket"), headers=page.origin()) as ws:
        for _ in range(3):
            await ws.receive_json(timeout=10)
        await client.post(page.url("/logout"), headers=page.origin())

        assert (await ws.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
        assert (await (await client.get(page.url("/session"))).json()) == {"name": ""}
        assert (await client.get(page.url("/socket"), headers=page.origin())).status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}"]
)
async def test_foreign_host_is_refused(page: PageWorld, stranger: aiohttp.ClientSession, host: str):
    headers = {"Host": host.format(port=page.web.access.port)}

    answers = [await stranger.get(page.url(path), headers=headers) for path in ("/", "/app.js", "/session", "/metrics")]

    assert [answer.status for answer in answers] == [403, 403, 403, 403]


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://localhost:{port}", "http://127.0.0.1:1"],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_post_from_a_foreign_origin_is_refused(
    page: PageWorld, stranger: aiohttp.ClientSession, origin: str, path: str
):
    headers = {"Origin": origin.format(port=page.web.access.port)}

    answer = await stranger.post(page.url(path), json={"token": page.web.tokens["ann"]}, headers=headers)

    assert answer.status == 403


async def test_post_without_an_origin_is_refused(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.post(page.url("/login"), json={"token": page.web.tokens["ann"]})

    assert answer.status == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {}])
async def test_websocket_of_another_page_is_refused_even_with_the_cookie(page: PageWorld, headers: dict[str, str]):
    async with page.login() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.ws_connect(page.url("/socket"), headers=headers)

    assert refusal.value.status == 403


async def test_prometheus_reads_the_counters_without_a_login(page: PageWorld, stranger: aiohttp.ClientSession):
    meters.UP.labels("page-test").set(1)

    answer = await stranger.get(page.url("/metrics"))

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'wsb_provider_up{provider="page-test"} 1.0' in (await answer.text()).splitlines()


async def test_no_page_of_elsewhere_reads_the_counters(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.get(page.url("/metrics"), headers={"Origin": "http://evil.example"})

    assert answer.status == 403


async def test_the_page_answers_to_localhost_too(page: PageWorld, stranger: aiohttp.ClientSession):
    host = f"localhost:{page.web.access.port}"

    answer = await stranger.post(
        page.url("/login"),
        json={"token": page.web.tokens["ann"]},
        headers={"Host": host, "Origin": f"http://{host}"},
    )

    assert answer.status == 200


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/session", "/metrics", "/missing", "/socket", "/static/../web_app.py"]
)
async def test_every_answer_is_locked_down(page: PageWorld, stranger: aiohttp.ClientSession, path: str):
    answer = await stranger.get(page.url(path), headers=page.origin())

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "aiohttp" not in answer.headers["Server"]


@pytest.mark.parametrize(
    "path", ["/", "/app.css", "/app.js", "/card.js", "/feed.js", "/completion.js", "/connection.js"]
)
async def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(
    page: PageWorld, stranger: aiohttp.ClientSession, path: str
):
    answer = await stranger.get(page.url(path))

    text = await answer.text()
    assert answer.status == 200
    for forbidden in (
        "https://",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        " style=",
        "onclick=",
        "<style",
    ):
        assert forbidden not in text


async def test_unknown_path_is_a_plain_404(page: PageWorld, stranger: aiohttp.ClientSession):
    answer = await stranger.get(page.url("/web_app.py"))

    assert (answer.status, await answer.json()) == (404, {"error": "Not Found."})


async def test_two_desks_cannot_share_a_port(page: PageWorld):
    with pytest.raises(ConfigError, match="cannot be used"):
        await start_web(page.room, page.room.people, page.web.access.port)


async def test_nobody_with_a_web_identity_is_said_so(page: PageWorld):
    with pytest.raises(ConfigError, match="web:ann"):
        await start_web(page.room, People((User("ann", Role.ADMIN, ("discord:1",)),)))


def test_oldest_session_ends_when_there_are_too_many():
    access = Access(["ann"], 80, lambda: 0.0)
    sessions = [access.log_in(access.tokens["ann"]) for _ in range(MOST_SESSIONS + 1)]

    assert (access.name_of(sessions[0]), access.name_of(sessions[1])) == ("", "ann")


def test_guesses_are_forgotten_after_a_while():
    now = [0.0]
    access = Access(["ann"], 80, lambda: now[0])
    for _ in range(MOST_GUESSES):
        with pytest.raises(NotAllowed):
            access.log_in("guess")
    waits = access.wait()

    now[0] = GUESS_WINDOW

    assert (waits, access.wait()) == (GUESS_WINDOW, 0)
