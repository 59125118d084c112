"""Writes the pinned texts, or the pictures, anew: see the package's docstring."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.browser.conftest import ARGUMENTS
from tests.golden import charts
from tests.golden.phone import WIDTH
from tests.golden.platforms import PICTURED, PINNED, PLATFORMS, file_of
from tests.page import open_page
from tests.programs import chromium
from tests.samples import SAMPLES

if TYPE_CHECKING:
    from playwright.async_api import Page

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images" / "chat"
COLOURS = 64
"""Of a picture that is kept: flat surfaces and text need no more, and the file is a quarter of the size."""


def write_texts() -> None:
    """Pin what is drawn now."""
    for name in charts.NAMES:
        path = charts.file_of(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(charts.sketch(name), encoding="utf-8")
    for name, platform in PLATFORMS.items():
        for sample in PINNED:
            path = file_of(name, sample)
            path.parent.mkdir(exist_ok=True)
            path.write_text(platform.text_of(SAMPLES[sample]()), encoding="utf-8")


async def write_pictures(folder: Path, samples: Iterable[str]) -> None:
    """Photograph the samples in every chat and on the page."""
    # Not among the packages that `make test` installs.
    from playwright.async_api import async_playwright

    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": WIDTH, "height": 844}, device_scale_factor=2)
        chat, page = await context.new_page(), await context.new_page()
        for sample in samples:
            for name, platform in PLATFORMS.items():
                await chat.set_content(platform.page_of(SAMPLES[sample]()))
                await _keep(chat, folder / f"{name}-{sample}.png", ".screen")
            await _of_the_page(page, sample, folder / f"page-{sample}.png")
        await browser.close()


async def _of_the_page(tab: Page, sample: str, path: Path) -> None:
    """The card on the real page, by itself."""
    async with open_page() as desk:
        await desk.web.post("desk", SAMPLES[sample]())
        await tab.set_viewport_size({"width": WIDTH, "height": 3000})
        await tab.goto(desk.web.login_url("ann"))
        await tab.wait_for_selector("article")
        for image in await tab.locator("article img").all():
            await image.evaluate("(image) => image.decode()")
        await _keep(tab, path, "article")


async def _keep(tab: Page, path: Path, what: str) -> None:
    shot = Image.open(io.BytesIO(await tab.locator(what).screenshot()))
    small = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main(words: list[str]) -> None:
    match words:
        case []:
            write_texts()
        case ["pictures"]:
            asyncio.run(write_pictures(IMAGES, PICTURED))
        case ["pictures", folder]:
            asyncio.run(write_pictures(Path(folder), SAMPLES))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
