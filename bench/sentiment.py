"""How many headlines are scored in a second, beside nothing but finding their words.

Measured: `engine.sentiment.probabilities`, as the news of a name is scored. Floor, in the same run on the same texts:
finding the words with one regular expression, which any scorer has to do. We hold ourselves to a headline in well
below 1 ms. `python -m bench.sentiment [ROUNDS]`
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import islice, product
from statistics import median
from time import perf_counter

from engine.model.news import Probabilities
from engine.sentiment import probabilities

HEADLINES = 1_000
ROUNDS = 15
WORD = re.compile(r"\w+")
NAMES = ("Acme Holdings", "$ACME", "Bolt & Sons (NYSE: BOLT)", "The maker of Example phones", "Zenith Robotics Inc.")
EVENTS = (
    "beats quarterly estimates by $0.12, raises its full-year guidance",
    "shares slide 7.4% after a warning on margins",
    "stock price target cut to $405 from $415 at Example Securities",
    "to present at the annual conference of the industry on November 20",
    "wins approval for its new treatment, analysts see strong demand",
    "names a new chief financial officer",
    "opens a plant in Texas as orders grow",
    "is sued over a patent by a smaller rival",
)
TAILS = tuple(f" - {day} update, chapter {number}" for day in ("Monday", "Friday") for number in range(13))


def headlines() -> list[str]:
    """Made-up headlines of the usual length, no two the same."""
    return list(islice((f"{name} {event}{tail}" for name, event, tail in product(NAMES, EVENTS, TAILS)), HEADLINES))


def scored(texts: list[str]) -> list[Probabilities]:
    return [probabilities(text) for text in texts]


def split(texts: list[str]) -> list[list[str]]:
    return [WORD.findall(text.lower()) for text in texts]


def timed(work: Callable[[list[str]], object], texts: list[str]) -> float:
    """Seconds for all of the texts."""
    start = perf_counter()
    work(texts)
    return perf_counter() - start


def main(rounds: int) -> None:
    texts = headlines()
    start = perf_counter()
    probabilities(texts[0])
    first = perf_counter() - start
    if scored(texts) != scored(texts):
        sys.exit("the same headlines were scored differently")
    split(texts)
    both = [(timed(scored, texts), timed(split, texts)) for _ in range(rounds)]
    ours, floor = (median(times) for times in zip(*both, strict=True))
    print(f"{len(texts):,} headlines of {median(map(len, texts)):.0f} characters: {len(texts) / ours:,.0f} a second")
    print(f"one headline: {ours / len(texts) * 1e6:.0f} µs (the first, with reading the weights: {first * 1e3:.1f} ms)")
    print(f"ratio to finding the words: {ours / floor:.1f} ({rounds} rounds)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
