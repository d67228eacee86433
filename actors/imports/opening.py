"""Opens the files of an import, and finds out what earlier runs have done."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from actors.clock.wall_clock import Clock
from actors.imports.destination import Destination
from actors.imports.import_states import ImportStates
from actors.imports.input_stream import InputStream
from actors.imports.source import InputFiles
from ingest.past.formats import Format, UnknownFormatError, find_format, make_reader
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ImportState
from ingest.past.past_event import BrokenLineError, Reader, ReaderOptions
from ingest.past.previous_import import PreviousImportSearch
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies

HAS_ROWS: Final = (
    "was interrupted in an earlier version of Sluice while it stored events, and some of them may "
    "be missing. Finish it with that version; or put the lines after line {lines} into a file of "
    "their own and import that"
)


class ImportMistakeError(Exception):
    """The import cannot be done as requested; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class ImportContext:
    """The dependencies of imports.

    Attributes:
        reference: Sites and places; its salts are not used.
        states: Where the state of imports is saved.
        clock: Tells the time.
        proxies: Proxies whose forwarding headers are trusted.
        session_seconds: Time without events after which a session ends, for dry runs.
        destination: Takes the events.
        pause_ratio: Seconds to pause for each second of work, so that other tasks can run.
    """

    reference: Reference
    states: ImportStates
    clock: Clock
    proxies: TrustedProxies
    session_seconds: int
    destination: Destination
    pause_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """The files of an import.

    Attributes:
        stream: Their content.
        form: Their format.
        head: The beginning of their content, see `InputFiles`.
        make_reader: Makes a reader of that format.
    """

    stream: InputStream
    form: Format
    head: bytes
    make_reader: Callable[[], Reader]


async def open_files(request: ImportRequest, context: ImportContext) -> OpenedFiles:
    """Open the files and detect their format.

    Raises:
        ImportMistakeError: The site or the format is unknown.
        SourceError: A file cannot be read.
    """
    selection = request.selection
    if selection.site is not None and context.reference.site(selection.site) is None:
        raise ImportMistakeError(f"{selection.site} is none of the sites in the sites file")
    options = ReaderOptions(
        received=context.clock.seconds(),
        site=selection.site,
        proxies=context.proxies,
        with_not_found=selection.with_not_found,
        pattern=selection.pattern,
        names=selection.names,
    )
    source = await trio.to_thread.run_sync(InputFiles, request.paths)
    sample = await trio.to_thread.run_sync(source.sample)
    try:
        form = find_format(sample, options, request.form)
        make = partial(make_reader, form, options, sample)
        make()
    except (UnknownFormatError, BrokenLineError) as error:
        raise ImportMistakeError(f"{request.paths[0]}: {error}") from None
    return OpenedFiles(InputStream(source), form, source.head, make)


async def find_previous(
    request: ImportRequest, states: ImportStates, opened: OpenedFiles
) -> ImportState | None:
    """Find out by the content whether it, or its beginning, was imported before.

    Raises:
        ImportMistakeError: It was, and that import cannot go on with it.
    """
    selection, path = request.selection, request.paths[0]
    known = [
        state
        for state in await trio.to_thread.run_sync(lambda: list(states.states()))
        if state.form is opened.form and state.selection.site == selection.site
    ]
    if request.anew:
        # The same command goes on with what it has begun.
        known = [
            state
            for state in known
            if state.anew and not state.done and state.selection == selection
        ]
    search = PreviousImportSearch(known)
    async with aclosing(opened.stream.pieces()) as pieces:
        async for piece in pieces:
            if search.finished:
                break
            search.feed(piece)
        else:
            search.end()
    found, changed = search.found, search.changed
    if found is None and changed is not None and not request.anew:
        raise ImportMistakeError(
            f"{path} begins like the file of import {changed.id}, but differs from what was "
            "imported of that; --again imports it as another file"
        )
    if found is not None and found.selection != selection:
        raise ImportMistakeError(
            f"{path} was imported before with another choice of events (import {found.id}); "
            "--again imports it once more"
        )
    if found is not None and found.has_rows:
        problem = HAS_ROWS.format(lines=found.counts.lines)
        raise ImportMistakeError(f"import {found.id} of {path} {problem}")
    return found
