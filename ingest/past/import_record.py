"""The state of an import into a cluster: a record that all fronts read, and that holds no salt.

It is as the line of a state file (`ingest.past.import_state`). Instead of a salt it has the time at
which the salt was made that the fronts have agreed on, and of which the import's is derived. So any
front has the same salt for as long as the fronts keep theirs.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from hashlib import blake2b
from typing import Final

from ingest.past.formats import Format
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import ID_BYTES, ImportState, decode_state, encode_state
from ingest.sessions.salts import KEY_BYTES, Salt

_SALTED_AT: Final = "salted_at"


def content_id(head: bytes, form: Format, selection: ImportSelection) -> str:
    """The id of an import of some content, the same at all fronts."""
    choice = json.dumps([form, asdict(selection)]).encode()
    return blake2b(head, key=blake2b(choice).digest(), digest_size=ID_BYTES).hexdigest()


def import_salt(agreed: Salt, import_id: str) -> Salt:
    """The salt of an import that begins while the fronts have agreed on a salt."""
    key = blake2b(f"import {import_id}".encode(), key=agreed.key, digest_size=KEY_BYTES).digest()
    return Salt(key, agreed.created_at)


def encode_import(state: ImportState) -> bytes:
    """A state as a record."""
    document = json.loads(encode_state(replace(state, salt=None)))
    salted_at = None if state.salt is None else state.salt.created_at
    return json.dumps(document | {_SALTED_AT: salted_at}).encode()


def decode_import(data: bytes, agreed: Iterable[Salt]) -> ImportState:
    """Read what `encode_import` wrote.

    Args:
        data: The record.
        agreed: The salts that the fronts keep.

    Raises:
        ValueError: It is no such record.
    """
    state = decode_state(data)
    salted_at = json.loads(data).get(_SALTED_AT)
    salts = [import_salt(salt, state.id) for salt in agreed if salt.created_at == salted_at]
    return replace(state, salt=salts[0] if salts else None)
