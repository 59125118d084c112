"""How a headline reads: P(positive), P(neutral), P(negative), without the network and in a fraction of a millisecond.

A linear model over hashed words, taught once (`python -m bench.train_sentiment`), figures and limits in
docs/sentiment.md. Only numpy is needed.
"""

from engine.sentiment.model import Model, probabilities

__all__ = ["Model", "probabilities"]
