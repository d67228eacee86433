"""Changes single values of a TOML document and keeps all other characters.

The positions come from `ingest.sites.toml_lines`. tomlkit formats the values, and edits arrays and
inline tables, with their comments. It is not used for whole documents, because it would move
separated tables, and treats comments as a part of the table before them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomlkit
import tomlkit.exceptions

from ingest.sites.toml_lines import KeyPath, TextSpan, key_spans

_WIDTH: Final = 88
"""Maximum number of characters in a line; a longer new array is written on several lines."""


def literal(value: Any) -> str:
    """Format a text, number, date, boolean or list as TOML."""
    if isinstance(value, list | tuple):
        items = [literal(item) for item in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= _WIDTH else "[\n    " + ",\n    ".join(items) + ",\n]"
    return str(tomlkit.item(value).as_string())


def inline_table(pairs: Mapping[str, Any]) -> str:
    """Format an inline table."""
    return "{ " + ", ".join(f"{key} = {literal(value)}" for key, value in pairs.items()) + " }"


def newline(text: str) -> str:
    """Return the line end that the document uses."""
    return "\r\n" if "\r\n" in text else "\n"


def end_of_line(text: str, offset: int) -> int:
    """Return the offset after the end of the line that contains an offset."""
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def start_of_line(text: str, offset: int) -> int:
    """Return the offset of the beginning of the line that contains an offset."""
    return text.rfind("\n", 0, offset) + 1


def set_value(text: str, path: KeyPath, value: str) -> str:
    """Set a key's value.

    An existing key keeps its place. A new one is added to its table: after the last key of the
    table's section, or in the inline table.

    Args:
        text: The document.
        path: The key. Its table, or the parent of its table, exists.
        value: The value as TOML.

    Raises:
        KeyError: Neither exists.
    """
    spans = key_spans(text)
    span = spans.get(path)
    if span is not None:
        return text[: span.value] + _with_newlines(value, text) + text[span.end :]
    table, name = path[:-1], str(path[-1])
    home = spans.get(table)
    if home is None:
        # The table only exists as dotted keys of its parent.
        table, name = table[:-1], f"{table[-1]}.{name}"
        home = spans[table]
    if not home.header:
        changed = _changed(text[home.value : home.end], {name: value})
        return text[: home.value] + changed + text[home.end :]
    return _add_line(text, home, spans, f"{name} = {value}")


def drop(text: str, path: KeyPath) -> str:
    """Remove a key with its line, or a table with its section, from the document.

    Comments above are kept, comments after the value are removed. A missing key is no error.
    """
    gone = False
    while True:
        spans = key_spans(text)
        found = next((key for key in spans if key[: len(path)] == path), None)
        if found is None or gone:
            return text
        # After an array's element is removed, the next element has its path.
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
    """Change the entries of an array of texts. Remaining entries keep their lines and comments.

    Args:
        text: The document.
        path: As for `set_value`.
        before: The current entries.
        after: The new entries.
    """
    span = key_spans(text).get(path)
    if span is None:
        return set_value(text, path, literal(list(after)))
    written = text[span.value : span.end]
    changed = _changed_array(written, before, after) or literal(list(after))
    return text[: span.value] + _with_newlines(changed, text) + text[span.end :]


def append_section(text: str, section: str) -> str:
    """Add a section after all others, before the empty lines at the document's end."""
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
    """Return where the lines of a section end, without comments after its last key."""
    following = [span.start for span in spans.values() if span.header]
    limit = min((start for start in following if start > header.start), default=len(text))
    last = max(span.end for span in spans.values() if header.start <= span.start < limit)
    return end_of_line(text, last)


def _changed(written: str, changes: Mapping[str, str | None]) -> str:
    """Return an inline table with some keys set or, for None, removed."""
    document = tomlkit.parse(f"table = {written}")
    table: Any = document["table"]
    for name, value in changes.items():
        if value is None:
            del table[name]
        else:
            table[name] = tomlkit.value(value)
    changed = str(tomlkit.dumps(document)).removeprefix("table = ")
    # tomlkit leaves a space on only one side inside the braces.
    return f"{{ {changed[1:-1].strip()} }}" if "\n" not in changed else changed


def _changed_array(written: str, before: Sequence[str], after: Sequence[str]) -> str | None:
    """Return the array with entries added and removed; None if tomlkit fails to do that."""
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
