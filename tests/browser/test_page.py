"""The page in a real browser: log in, answer a card, watch the fill, ask by keyboard; strangers stay out."""

from __future__ import annotations

import asyncio
import json
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bot.message import Button, Card, Link, Picture
from bot.platforms.web_feed import DESK
from engine.model.trade import ApprovalStatus
from tests import make
from tests.page import PageWorld, open_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, WebSocketRoute

expect = pytest.importorskip("playwright.async_api", reason="needs Playwright (the dev extra)").expect
expect.set_options(timeout=20_000)

LINE = "#line"


async def enter(desk: PageWorld, tab: Page, name: str = "ann") -> None:
    """Open the printed link and wait for the desk."""
    await tab.goto(desk.web.login_url(name))
    await expect(tab.locator("#clock")).to_have_text("2026-06-15 10:00 ET")


async def test_login_link_opens_the_desk_and_leaves_no_token_behind(desk: PageWorld, tab: Page):
    await enter(desk, tab)

    assert tab.url == desk.url("/")
    assert await tab.evaluate("document.cookie") == ""
    await expect(tab.locator("#banner")).to_have_text("PAPER")
    await tab.reload()
    await expect(tab.locator("#clock")).to_be_visible()


async def test_wrong_token_is_refused_in_words_and_the_right_one_can_be_pasted(desk: PageWorld, tab: Page):
    await tab.goto(desk.url("/#token=wrong"))
    await expect(tab.get_by_role("alert")).to_contain_text("That token is not valid here.")
    assert "wrong" not in tab.url

    await tab.get_by_label("Token").fill(desk.web.tokens["ben"])
    await tab.keyboard.press("Enter")

    await expect(tab.locator("#clock")).to_be_visible()


async def test_approved_card_shows_its_order_and_then_its_fill(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    approval = await desk.propose()
    card = tab.locator("article")
    await expect(card.get_by_role("heading")).to_have_text("sell 2 × XYZ 44 put?")
    await expect(card.locator(".left")).to_have_text("5:00 left")

    await card.get_by_role("button", name="Approve").click()

    await expect(card.locator(".pill")).to_have_text("order working")
    await desk.fill()
    await expect(card.locator(".pill")).to_have_text("filled")
    await expect(card).to_contain_text("Filled 2 of 2 at credit 1.03 (206.00 in).")
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    with desk.world.store.read() as work:
        assert work.approval(approval.id).decided_by == "ann"


async def test_tapped_button_works_until_its_answer_and_takes_the_others_with_it(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await desk.propose()
    card = tab.locator("article")
    with desk.world.store.begin():  # the decision has to wait for the database
        await card.get_by_role("button", name="Approve").click()
        await expect(card.locator("button.busy")).to_have_text("working…")
        await expect(card.get_by_role("button", name="Reject")).to_be_disabled()

    await expect(card.locator(".pill")).to_have_text("order working")


async def test_second_half_of_a_double_tap_never_meets_what_was_redrawn_under_it(desk: PageWorld, tab: Page):
    """Half of ten is five; were the second tap taken, it would be two."""
    await enter(desk, tab)
    small = make.signal(outlook=make.outlook(max_loss=make.D(500), collateral=make.D(500)))
    approval = await desk.propose(plan=make.plan(small, quantity=10))
    await expect(tab.get_by_role("button", name="Half (5)")).to_be_visible()
    await tab.evaluate(
        "new MutationObserver((_, watch) => { const drawn = document.querySelector('[data-action$=\".2\"]');"
        " if (!drawn) return; watch.disconnect();"
        " for (const one of document.querySelectorAll('article button')) one.click(); })"
        ".observe(document.getElementById('feed'), { childList: true, subtree: true })"
    )

    await tab.get_by_role("button", name="Half (5)").click()

    await expect(tab.get_by_role("button", name="Half (2)")).to_be_disabled()
    await tab.get_by_role("button", name="Half (2)").click()
    await expect(tab.locator("article h2")).to_have_text("sell 2 × XYZ 44 put?")
    with desk.world.store.read() as work:
        assert work.approval(approval.id).version == 3


async def test_only_what_can_still_be_answered_is_counted(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await desk.propose()
    await tab.locator(LINE).fill("/proposals")
    await tab.locator(LINE).press("Enter")
    await expect(tab.get_by_role("heading", name="1 proposal waiting")).to_be_visible()
    await expect(tab.locator("#jump")).to_have_text("1 to answer")

    await tab.get_by_role("button", name="Reject").click()

    await expect(tab.locator("#jump")).to_be_hidden()


async def test_same_proposal_shown_twice_is_one_answer_and_a_question_whose_time_is_up_is_none(
    desk: PageWorld, tab: Page
):
    await enter(desk, tab)
    approval = await desk.propose()
    await tab.locator(LINE).fill(f"show {approval.id}")
    await tab.locator(LINE).press("Enter")
    await expect(tab.locator("article")).to_have_count(2)
    await expect(tab.locator("#jump")).to_have_text("1 to answer")

    desk.world.clock.advance(seconds=301)

    await expect(tab.locator("#jump")).to_be_hidden()


async def test_live_money_is_told_on_the_top_and_on_every_card(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await expect(tab.locator("#banner")).to_have_text("PAPER")
    await expect(tab.locator(".live, .is-live")).to_have_count(0)

    async with open_page(banner="LIVE 123456789") as live:
        await enter(live, tab)
        await live.propose()
        await expect(tab.locator("#top.is-live #banner.live")).to_have_text("LIVE 123456789")
        await expect(tab.locator("article .banner.live")).to_have_text("LIVE 123456789")


async def test_row_of_buttons_stays_a_row_and_a_list_of_ids_flows(desk: PageWorld, tab: Page):
    await tab.set_viewport_size({"width": 360, "height": 740})
    await enter(desk, tab)
    ids = tuple((Button(f"P0000{number}", f"position:P0000{number}"),) for number in range(1, 4))
    strikes = (Button("14 put", "b:1"), Button("16 put", "c:1"))
    rows = ((Button("Approve", "a:1"),), strikes, (Button("Out and down +0.06", "d:1"),), *ids)
    await desk.web.post(DESK, Card("Change", buttons=rows))
    await expect(tab.get_by_role("button", name="P00003")).to_be_visible()

    tops = await tab.evaluate(
        "[...document.querySelectorAll('article .button')].map((one) => Math.round(one.getBoundingClientRect().top))"
    )

    assert [len(list(group)) for _, group in groupby(tops)] == [1, 2, 1, 3]


async def open_change(desk: PageWorld, tab: Page, quantity: int = 2) -> str:
    """Propose and open the card of other versions; returns the proposal's id."""
    small = make.signal(outlook=make.outlook(max_loss=make.D(500), collateral=make.D(500)))
    approval = await desk.propose(plan=make.plan(small, quantity=quantity))
    await tab.get_by_role("button", name="Change").click()
    await expect(tab.get_by_role("heading", name="Change wheel")).to_be_visible()
    return approval.id


async def test_price_of_your_own_is_filled_in_on_the_card_and_asked_anew(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    approval = await open_change(desk, tab)
    opener = tab.get_by_role("button", name="Your price…")
    await opener.click()
    field = tab.get_by_label("Dollars a share, such as 1.05")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("inputmode", "decimal")

    await field.fill("cheap")
    await field.press("Enter")
    await expect(tab.locator("form.asks").get_by_role("alert")).to_have_text("Write a number, such as 1.05.")
    await field.fill("1,10")
    await field.press("Enter")

    await expect(tab.locator("article").last).to_contain_text("credit 1.10 or better")
    await expect(tab.locator("form.asks")).to_have_count(0)
    await expect(opener).to_have_attribute("aria-expanded", "false")
    await desk.pump()
    await expect(tab.locator("article").first).to_contain_text("credit 1.10 or better")
    with desk.world.store.read() as work:
        assert work.approval(approval).version == 2


async def test_bounds_of_a_number_are_told_before_it_is_sent_and_what_the_desk_refuses_can_be_corrected(
    desk: PageWorld, tab: Page
):
    await enter(desk, tab)
    approval = await open_change(desk, tab, quantity=10)
    await tab.get_by_role("button", name="Size…").click()
    field = tab.get_by_label("How many, fewer than the card's")
    await field.fill("0")
    await field.press("Enter")
    await expect(tab.locator("form.asks").get_by_role("alert")).to_have_text("The least is 1.")

    await field.fill("12")
    await field.press("Enter")
    await expect(tab.locator("article").last).to_contain_text("12 is not a smaller size")
    await expect(field).to_be_enabled()
    await field.fill("4")
    await field.press("Enter")

    await expect(tab.locator("article").last).to_contain_text("Size 10 → 4 by ann.")
    with desk.world.store.read() as work:
        assert work.approval(approval).plan.quantity == 4


async def test_form_is_given_up_with_escape_and_by_its_own_button(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await open_change(desk, tab)
    opener = tab.get_by_role("button", name="Your price…")
    await opener.press("Enter")
    await tab.keyboard.press("Escape")
    await expect(opener).to_be_focused()
    await expect(tab.locator("form.asks")).to_have_count(0)

    await opener.press("Enter")
    await expect(opener).to_have_attribute("aria-expanded", "true")
    await tab.get_by_role("button", name="Not now").click()

    await expect(opener).to_be_focused()
    await expect(tab.locator("form.asks")).to_have_count(0)


async def test_what_is_being_filled_in_survives_a_redraw_and_ends_when_its_button_is_gone(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    ask = ((Button("Your price…", "myprice:A00009.1"),),)
    ref = await desk.web.post(DESK, Card("Limit 1.03", buttons=ask, key="k", version=1))
    await tab.get_by_role("button", name="Your price…").click()
    field = tab.locator("form.asks input")
    await field.fill("1.1")

    await desk.web.edit(ref, Card("Limit 1.04", buttons=ask, key="k", version=2))
    await expect(tab.locator("article h2")).to_have_text("Limit 1.04")
    await expect(field).to_have_value("1.1")
    await expect(field).to_be_focused()
    await desk.web.edit(ref, Card("Filled", key="k", version=3))

    await expect(tab.locator("article .problem")).to_have_text("This card has changed meanwhile: nothing was sent.")
    await expect(tab.locator("form.asks")).to_have_count(0)


async def test_bar_shows_how_far_it_is_and_can_be_stopped(desk: PageWorld, tab: Page):
    """The test stands between page and server and plays the work, so that it stays where it is looked at."""
    asked: list[str] = []
    stopped: list[dict[str, str]] = []

    async def between(page_side: WebSocketRoute) -> None:
        server = page_side.connect_to_server()

        def take(raw: str | bytes) -> None:
            frame = json.loads(raw)
            if frame["type"] == "command":
                asked.append(frame["id"])
                state = {"words": "12 of 48 names", "fraction": 0.25, "stop": "stop:J1"}
                page_side.send(json.dumps({"type": "working", "id": frame["id"], **state}))
            elif frame["type"] == "tap":
                stopped.append(frame)
                page_side.send(json.dumps({"type": "done", "id": asked[0], "error": "", "last": ""}))
            else:
                server.send(raw)

        page_side.on_message(take)

    await tab.route_web_socket("**/socket", between)
    await enter(desk, tab)
    await tab.locator(LINE).fill("/scan wheel")
    await tab.locator(LINE).press("Enter")
    bar = tab.get_by_role("progressbar", name="12 of 48 names")
    await expect(bar).to_have_attribute("aria-valuenow", "25")
    await expect(bar).to_have_js_property("clientHeight", 6)

    await tab.get_by_role("button", name="Stop").click()

    await expect(bar).to_have_count(0)
    assert [(frame["action"], "message" in frame) for frame in stopped] == [("stop:J1", False)]


async def test_help_names_fill_the_box(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await tab.locator(LINE).fill("/help")
    await tab.locator(LINE).press("Enter")

    await tab.get_by_role("button", name="/close").click()

    await expect(tab.locator(LINE)).to_have_value("/close ")


async def test_card_changes_on_the_other_persons_page_too(desk: PageWorld, tab: Page, browser: Browser):
    await enter(desk, tab)
    await desk.propose()
    other = await (await browser.new_context()).new_page()
    await enter(desk, other, "ben")

    await tab.get_by_role("button", name="Reject").click()

    await expect(other.locator(".pill")).to_have_text("rejected")
    await expect(other.locator("#jump")).to_be_hidden()


async def test_command_is_completed_and_sent_by_keyboard_alone(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await tab.locator("body").press("/")
    await expect(tab.locator(LINE)).to_be_focused()
    await tab.keyboard.type("/ri")
    await expect(tab.get_by_role("option")).to_have_count(1)

    await tab.keyboard.press("Tab")
    await expect(tab.locator(LINE)).to_have_value("/risk ")
    await tab.keyboard.press("Enter")

    await expect(tab.locator("article h2")).to_have_text("Risk")
    await expect(tab.locator(".said")).to_contain_text("/risk")
    await expect(tab.get_by_role("cell", name="total risk")).to_be_visible()
    await expect(tab.locator(LINE)).to_be_focused()


async def test_arrow_keys_choose_and_escape_closes(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    line = tab.locator(LINE)
    await line.press_sequentially("/p")
    await expect(tab.get_by_role("option")).not_to_have_count(0)
    await expect(line).to_have_attribute("aria-expanded", "true")

    await line.press("ArrowDown")
    await line.press("ArrowDown")
    chosen = tab.get_by_role("option", selected=True)
    await expect(line).to_have_attribute("aria-activedescendant", "choice-1")
    text = await chosen.locator(".text").inner_text()
    await line.press("Enter")

    await expect(line).to_have_value(f"{text} ")
    await line.fill("/p")
    await expect(tab.get_by_role("option")).not_to_have_count(0)
    await line.press("Escape")
    await expect(tab.get_by_role("listbox")).to_be_hidden()
    await expect(line).to_have_value("/p")


async def test_card_can_be_approved_by_keyboard(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    approval = await desk.propose()
    await tab.get_by_role("button", name="1 to answer").press("Enter")
    await expect(tab.get_by_role("button", name="Approve")).to_be_focused()

    await tab.keyboard.press("Enter")

    await expect(tab.locator(".pill")).to_have_text("order working")
    with desk.world.store.read() as work:
        assert work.approval(approval.id).status is ApprovalStatus.APPROVED


async def test_countdown_follows_the_desks_clock(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await desk.propose()
    left = tab.locator(".left")
    await expect(left).to_have_text("5:00 left")

    desk.world.clock.advance(seconds=255)

    await expect(left).to_have_text("0:45 left")
    await expect(left).to_have_class("left soon")


async def test_new_card_does_not_move_the_one_that_is_being_answered(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await desk.propose()
    approve = tab.get_by_role("button", name="Approve")
    await expect(approve).to_be_in_viewport()
    before = await approve.bounding_box()

    await desk.web.post(DESK, Card("Dividend: XYZ"))

    await expect(tab.get_by_role("heading", name="Dividend: XYZ")).to_be_attached()
    assert await approve.bounding_box() == before
    await expect(tab.get_by_role("button", name="New messages below")).to_be_visible()


async def test_page_reconnects_and_catches_up(tab: Page):
    async with open_page() as desk:
        port = desk.web.access.port
        await enter(desk, tab)
        await desk.web.post(DESK, Card("Before"))
        await expect(tab.get_by_role("heading", name="Before")).to_be_visible()
    await expect(tab.get_by_role("status")).to_contain_text("No connection to the desk.")
    await tab.locator(LINE).fill("/risk")
    await tab.locator(LINE).press("Enter")
    await expect(tab.locator(".note").last).to_have_text("Not sent: there is no connection to the desk.")
    await expect(tab.locator(LINE)).to_have_value("/risk")

    async with open_page(port=port) as again:
        await again.web.post(DESK, Card("After"))
        await expect(tab.get_by_role("alert")).to_contain_text("Your session has ended.")
        await enter(again, tab)
        await expect(tab.get_by_role("heading", name="After")).to_be_visible()
        await expect(tab.get_by_role("heading", name="Before")).to_have_count(0)


async def test_short_interruption_ends_by_itself(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await asyncio.gather(*(page.close() for page in desk.web.pages))
    await desk.web.post(DESK, Card("Meanwhile"))

    await expect(tab.get_by_role("heading", name="Meanwhile")).to_be_visible()
    await expect(tab.get_by_role("status")).to_be_hidden()


async def test_words_of_a_card_are_never_markup(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    evil = "<img src=x onerror=alert(1)>"

    await desk.web.post(DESK, Card(evil, lines=(evil,), facts=((evil, evil),), footer=evil, banner=evil))

    await expect(tab.locator("article h2")).to_have_text(evil)
    await expect(tab.locator("article img")).to_have_count(0)


async def test_picture_comes_in_the_theme_that_is_shown(desk: PageWorld, tab: Page):
    await enter(desk, tab)
    await tab.locator(LINE).fill("/chart XYZ")
    await tab.locator(LINE).press("Enter")
    picture = tab.locator("figure img")
    await expect(picture).to_have_attribute("alt", "XYZ, daily, 61 sessions: 47.52 to 48.48, last 48.00")
    await expect(picture).to_have_js_property("naturalWidth", 800)
    assert (await picture.get_attribute("src") or "").endswith("theme=light")

    await tab.get_by_role("button", name="Use dark colours").click()

    assert (await picture.get_attribute("src") or "").endswith("theme=dark")
    await expect(picture).to_have_js_property("complete", True)
    await expect(picture).to_have_js_property("naturalWidth", 800)


async def test_picture_that_cannot_be_drawn_leaves_its_words(desk: PageWorld, tab: Page):
    def draw(dark: bool) -> bytes:
        raise ValueError(f"no ink, dark={dark}")

    await enter(desk, tab)
    await desk.web.post(DESK, Card("Chart", pictures=(Picture("a.png", "a flat line", draw),)))

    await expect(tab.locator("figure.failed figcaption")).to_have_text("a flat line")


@pytest.mark.parametrize("width", [320, 360, 390, 1280])
async def test_nothing_is_wider_than_the_screen_and_buttons_fit_a_finger(desk: PageWorld, tab: Page, width: int):
    await tab.set_viewport_size({"width": width, "height": 740})
    await enter(desk, tab)
    await desk.propose()
    for line in ("/risk", "/orders", "/pnl", "/limits", "/settings", "/help"):
        await tab.locator(LINE).fill(line)
        await tab.locator(LINE).press("Enter")
    await expect(tab.get_by_role("heading", name="Commands")).to_be_visible()
    await tab.get_by_role("button", name="Change").first.click()
    await tab.get_by_role("button", name="Your price…").click()
    await expect(tab.locator("form.asks")).to_be_visible()

    wide = await tab.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('.quick, .unseen, .skip')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"
    )
    small = await tab.evaluate(
        "[...document.querySelectorAll('button, summary, input')].filter((e) => e.offsetParent"
        " && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80))"
    )

    assert (wide, small) == ([], [])
    assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_page_of_another_origin_gets_nothing(desk: PageWorld, tab: Page):
    """A page served elsewhere on this machine, in the browser that is logged in: same site, another origin."""
    await enter(desk, tab)
    app = web.Application()
    app.router.add_get("/", _empty_page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await tab.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")

    posted = await tab.evaluate(
        "(url) => fetch(url, {method: 'POST', credentials: 'include'}).then((a) => a.status, () => 'blocked')",
        desk.url("/logout"),
    )
    socket = await tab.evaluate(
        "(url) => new Promise((done) => { const ws = new WebSocket(url);"
        " ws.onopen = () => done('open'); ws.onclose = () => done('refused'); })",
        desk.url("/socket").replace("http", "ws"),
    )
    await runner.cleanup()

    assert (posted, socket) == ("blocked", "refused")
    await tab.goto(desk.url("/"))
    await expect(tab.locator("#clock")).to_be_visible()  # still logged in: the foreign logout did nothing


async def _empty_page(request: web.Request) -> web.Response:
    del request
    return web.Response(text="<title>elsewhere</title>", content_type="text/html")


async def test_a_foreign_host_name_for_this_machine_is_refused(desk: PageWorld, browser: Browser):
    """DNS rebinding: a name of the attacker's that points here."""
    tab = await browser.new_page()

    answer = await tab.goto(f"http://rebound.localhost:{desk.web.access.port}/")

    assert answer is not None
    assert answer.status == 403
    assert "answers to 127.0.0.1" in await tab.inner_text("body")


async def test_a_headline_leads_out_of_the_page_only_where_its_address_is_sound(desk: PageWorld, tab: Page):
    sound = Link("<b>Up</b> @everyone", "https://www.example.com/a?b=1", "Paper, 7 min")
    twisted = Link("Down", "javascript:alert(1)", "Paper, 8 min")
    await desk.web.post(DESK, Card("XYZ news", links=(sound, twisted)))

    await enter(desk, tab)
    links = tab.locator("article .links")

    await expect(links.get_by_role("link")).to_have_count(1)
    await expect(links.get_by_role("link")).to_have_text("<b>Up</b> @everyone")
    await expect(links.get_by_role("link")).to_have_attribute("href", "https://www.example.com/a?b=1")
    await expect(links.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(links).to_contain_text("www.example.com · Paper, 7 min")
