"""The tables, their column types and the migrations that lead to them."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision of the schema, oldest first. A database that says anything else was written by a newer program."""

HEAD = REVISIONS[-1]
"""The revision this program reads and writes."""
