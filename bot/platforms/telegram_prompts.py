"""Questions for the values a button does not carry: a message that wants an answer, and the values in the answer."""

from __future__ import annotations

from bot.forms import Form, form_of
from bot.platforms.telegram_text import Run, clean, clipped
from bot.platforms.telegram_updates import Who

LONGEST_HINT = 64
"""https://core.telegram.org/bots/api#forcereply"""


def prompt_of(form: Form, who: Who, is_private: bool) -> tuple[str, str]:
    """The question as HTML, and the hint inside the empty field. In a group it names the person: it asks them alone."""
    wanted = "; then ".join(f"the {field.name}: {field.summary}" for field in form.fields if field.required)
    optional = [field.name for field in form.fields if not field.required]
    more = f" You may add: {', '.join(optional)}." if optional else ""
    sample = " ".join(field.sample for field in form.fields if field.required and field.sample)
    example = f" Example: {sample}" if sample else ""
    subject = form.action.partition(":")[2]
    summary = form.command.summary[:1].upper() + form.command.summary[1:]
    text = Run(clean(f"{summary} ({subject}). Reply with {wanted}.{more}{example}")).html
    name = "" if is_private else f'<a href="tg://user?id={who.id}">{Run(clean(who.name) or "You").html}</a>: '
    return f"{name}{text}", clipped(sample or wanted, LONGEST_HINT)


def values_in(action: str, text: str) -> tuple[tuple[str, str], ...]:
    """The values of an answer by name: one word for each field, the last takes what is left.

    >>> values_in("myprice:A00004.1", " 1.05 ")
    (('price', '1.05'),)
    """
    form = form_of(action)
    if form is None:
        return ()
    words = text.split(None, len(form.fields) - 1)
    return tuple((field.name, word.strip()) for field, word in zip(form.fields, words, strict=False))
