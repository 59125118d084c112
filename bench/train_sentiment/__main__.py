"""Teach the scorer and print its figures. `python -m bench.train_sentiment FOLDER [WEIGHTS]`

FOLDER holds the labelled headlines (`news.jsonl.gz`). The weights go into the package, or to the file WEIGHTS. The same
data give the same bytes. Afterwards the printed tables belong into docs/sentiment.md: a test compares them.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import engine.sentiment
from bench.train_sentiment.corpus import Part, read
from bench.train_sentiment.figures import tables
from bench.train_sentiment.fit import taught
from engine.sentiment.model import WEIGHTS


def main(folder: Path, file: Path) -> None:
    corpus = read(folder)
    model, strength = taught(corpus.parts[Part.TRAINING], corpus.parts[Part.VALIDATION])
    content = model.to_bytes()
    file.write_bytes(content)
    print(f"data SHA-256 {corpus.digest}")
    print(f"regularisation {strength:g}, temperature {model.temperature}, step {model.step:.6f}")
    print(f"{file.name}: {len(content):,} bytes, SHA-256 {sha256(content).hexdigest()}\n")
    print("\n\n".join(tables(model, corpus)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) == 3 else Path(engine.sentiment.__path__[0]) / WEIGHTS))
