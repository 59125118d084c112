"""Cards as each chat shows them, and charts as sketches: texts that are pinned, and pictures for the guides.

`python -m tests.golden` writes the texts anew, `python -m tests.golden pictures` the pictures of `docs/images/chat/`;
`python -m tests.golden pictures FOLDER` draws every sample, to be looked at.
"""
