"""Numbers, times and reasons in the sentences of findings."""


def count(number: int, noun: str) -> str:
    """A number of things, with their noun in the singular or plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(part: float) -> str:
    """A part of one, in percent."""
    return "less than 1%" if part < 0.01 else f"{part:.0%}"


def quote(reason: str) -> str:
    """A reason in brackets, without the full stop that it may end with."""
    reason = " ".join(reason.split()).rstrip(".")
    return f" ({reason})" if reason else ""


def sentence(text: str) -> str:
    """A text as a sentence: with a capital letter, and with one full stop."""
    text = " ".join(text.split()).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def ago(seconds: float) -> str:
    """How long ago something was."""
    if seconds < 2:
        return "just now"
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"
