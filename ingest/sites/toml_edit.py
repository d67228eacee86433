"""Changes single values of a TOML document and leaves every other character where it is.

The positions come from `ingest.sites.toml_lines`; tomlkit writes the values, and changes arrays and
inline tables, whose comments it keeps. (Whole documents it does not leave as they are: it moves
tables that stand apart, and takes comments for part of the table before them.)
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomlkit
import tomlkit.exceptions

from ingest.sites.toml_lines import KeyPath, TextSpan, key_spans

_WIDTH: Final = 88
"""Characters of a line beyond which a new array is written over several."""


def literal(value: Any) -> str:
    """A text, number, date, truth value or list as one writes it in TOML."""
    if isinstance(value, list | tuple):
        items = [literal(item) for item in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= _WIDTH else "[\n    " + ",\n    ".join(items) + ",\n]"
    return str(tomlkit.item(value).as_string())


def inline_table(pairs: Mapping[str, Any]) -> str:
    """An inline table."""
    return "{ " + ", ".join(f"{key} = {literal(value)}" for key, value in pairs.items()) + " }"


def newline(text: str) -> str:
    """How the document ends its lines."""
    return "\r\n" if "\r\n" in text else "\n"


def end_of_line(text: str, offset: int) -> int:
    """Where the line ends that an offset is in, behind its end."""
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def start_of_line(text: str, offset: int) -> int:
    """Where the line begins that an offset is in."""
    return text.rfind("\n", 0, offset) + 1


def set_value(text: str, path: KeyPath, value: str) -> str:
    """Give a key a value.

    A key that is there keeps its place. A new one goes where its table stands: behind the last key
    of the table's section, or into the inline table.

    Args:
        text: The document.
        path: The key. Its table is there, or its table's table is.
        value: As TOML.

    Raises:
        KeyError: Neither is.
    """
    spans = key_spans(text)
    span = spans.get(path)
    if span is not None:
        return text[: span.value] + _with_newlines(value, text) + text[span.end :]
    table, name = path[:-1], str(path[-1])
    home = spans.get(table)
    if home is None:
        # The table is implied by dotted keys of the table around it.
        table, name = table[:-1], f"{table[-1]}.{name}"
        home = spans[table]
    if not home.header:
        changed = _changed(text[home.value : home.end], {name: value})
        return text[: home.value] + changed + text[home.end :]
    return _add_line(text, home, spans, f"{name} = {value}")


def drop(text: str, path: KeyPath) -> str:
    """Take a key with its line, or a table with its section, out of the document.

    Comments above stay, those behind the value go. What is not there is no mistake.
    """
    gone = False
    while True:
        spans = key_spans(text)
        found = next((key for key in spans if key[: len(path)] == path), None)
        if found is None or gone:
            return text
        # The table behind one that is dropped from an array has its path then.
        gone = isinstance(path[-1], int)
        span = spans[found]
        parent = spans.get(found[:-1])
        if span.header:
            start, end = start_of_line(text, span.start), _end_of_section(text, span, spans)
            text = text[:start] + text[end:].lstrip("\r\n")
        elif parent is not None and not parent.header:
            changed = _changed(text[parent.value : parent.end], {str(found[-1]): None})
            text = text[: parent.value] + changed + text[parent.end :]
        else:
            end = end_of_line(text, span.end)
            text = text[: start_of_line(text, span.start)] + text[end:]


def set_array(text: str, path: KeyPath, before: Sequence[str], after: Sequence[str]) -> str:
    """Change the entries of an array of texts; those that stay keep their lines and comments.

    Args:
        text: The document.
        path: As for `set_value`.
        before: What the array has.
        after: What it is to have.
    """
    span = key_spans(text).get(path)
    if span is None:
        return set_value(text, path, literal(list(after)))
    written = text[span.value : span.end]
    changed = _changed_array(written, before, after) or literal(list(after))
    return text[: span.value] + _with_newlines(changed, text) + text[span.end :]


def append_section(text: str, section: str) -> str:
    """Add a section behind all others of the document, before the empty lines at its end."""
    content = text.rstrip()
    tail = text[len(content) :].lstrip(" \t") or newline(text)
    between = 2 * newline(text) if content else ""
    return content + between + _with_newlines(section.strip(), text) + tail


def _add_line(text: str, home: TextSpan, spans: Mapping[KeyPath, TextSpan], line: str) -> str:
    following = [span.start for span in spans.values() if span.header]
    end = min((start for start in following if start > home.start), default=len(text))
    last = max(
        (span.end for span in spans.values() if home.start <= span.start < end),
        default=home.end,
    )
    at = end_of_line(text, last)
    gap = "" if text[:at].endswith("\n") else newline(text)
    return text[:at] + gap + _with_newlines(line, text) + newline(text) + text[at:]


def _end_of_section(text: str, header: TextSpan, spans: Mapping[KeyPath, TextSpan]) -> int:
    """Where the lines of a section end; comments behind its last key are no part of it."""
    following = [span.start for span in spans.values() if span.header]
    limit = min((start for start in following if start > header.start), default=len(text))
    last = max(span.end for span in spans.values() if header.start <= span.start < limit)
    return end_of_line(text, last)


def _changed(written: str, changes: Mapping[str, str | None]) -> str:
    """An inline table with some keys set or, for None, taken out."""
    document = tomlkit.parse(f"table = {written}")
    table: Any = document["table"]
    for name, value in changes.items():
        if value is None:
            del table[name]
        else:
            table[name] = tomlkit.value(value)
    changed = str(tomlkit.dumps(document)).removeprefix("table = ")
    # tomlkit leaves the spaces inside the braces one-sided.
    return f"{{ {changed[1:-1].strip()} }}" if "\n" not in changed else changed


def _changed_array(written: str, before: Sequence[str], after: Sequence[str]) -> str | None:
    """The array with its entries added and removed; None where tomlkit does not manage that."""
    try:
        document = tomlkit.parse(f"array = {written}")
        array: Any = document["array"]
        for entry in before:
            if entry not in after:
                array.remove(entry)
        for entry in after:
            if entry not in before:
                array.append(entry)
        changed = str(tomlkit.dumps(document)).removeprefix("array = ")
        read = tomlkit.parse(f"array = {changed}").unwrap()["array"]
    except (tomlkit.exceptions.TOMLKitError, ValueError, IndexError):
        return None
    return changed if read == list(after) else None


def _with_newlines(written: str, text: str) -> str:
    return re.sub(r"\r?\n", newline(text), written)
