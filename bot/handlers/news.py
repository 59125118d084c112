"""/news: what was written about a name, and how it reads."""

from __future__ import annotations

from bot import words
from bot.command import Call
from bot.message import Button, Card, Link
from engine.model.news import News, Scored, Tone

SHOWN = 6
WINDOW = 24
"""Hours over which the means are taken, as the rules take them."""


def news(call: Call) -> Card:
    """The latest headlines with who published them, how old they are and how they read; their mean over a day."""
    ticker = call.text("ticker")
    found = call.desk.market.news(ticker)
    buttons = ((Button("Refresh", f"refresh:/news {ticker}"), Button("Quote", f"refresh:/quote {ticker}")),)
    if found is None or not found.sources:
        line = "No source covers news here: that says nothing about whether there are any."
        return Card(f"{ticker}: no source of news", lines=(line,), buttons=buttons, banner=call.room.banner())
    shown = found.articles[:SHOWN]
    more = len(found.articles) - len(shown)
    return Card(
        f"{ticker} news",
        lines=_lines(found),
        facts=_means(found),
        links=tuple(_link(found, article) for article in shown),
        buttons=buttons,
        footer=f"{more} older ones are not shown." if more else "",
        banner=call.room.banner(),
    )


def _lines(found: News) -> tuple[str, ...]:
    if not found.articles:
        return (f"No articles about {found.ticker}. Asked: {', '.join(found.sources)}.",)
    return ("P is the probability that a headline reads as positive / neutral / negative to a holder.",)


def _means(found: News) -> tuple[tuple[str, str], ...]:
    positive, decayed, tones = found.positive(WINDOW), found.decayed(WINDOW), found.tones(WINDOW)
    asked = ("Asked", ", ".join(found.sources))
    if positive is None or decayed is None:
        return (("Last 24 hours", "no articles, so no mean"), asked)
    counts = ", ".join(f"{tones[tone]} {tone}" for tone in Tone)
    return (
        ("Last 24 hours", f"{words.count(found.count(WINDOW), 'article')}: {counts}"),
        ("Mean P(positive)", f"{positive:.2f}"),
        ("Newer count more", f"{decayed:.2f}"),
        asked,
    )


def _link(found: News, article: Scored) -> Link:
    headline, chances = article.headline, article.probabilities
    age = words.age((found.asof - headline.at).total_seconds())
    reads = f"P {chances.positive:.2f} / {chances.neutral:.2f} / {chances.negative:.2f}".replace(
        " ", "\N{NO-BREAK SPACE}"
    )
    return Link(headline.title, headline.url, f"{headline.publisher or headline.source}, {age}. {reads}")
