"""Teaches the headline scorer: `python -m bench.train_sentiment FOLDER`."""
