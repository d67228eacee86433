from dataclasses import replace

import pytest

from ingest.past.formats import Format
from ingest.past.import_record import content_id, decode_import, encode_import, import_salt
from ingest.past.import_request import ImportSelection
from ingest.sessions.salts import Salt
from tests.examples import NOON
from tests.ingest.past.states import a_state

AGREED = [Salt(bytes(16), NOON), Salt(b"a" * 16, NOON - 86_400)]


@pytest.mark.parametrize("agreed", AGREED)
def test_each_front_reads_the_same_salt_of_it(agreed: Salt) -> None:
    state = replace(a_state(b"abc"), salt=import_salt(agreed, a_state().id))
    record = encode_import(state)
    assert decode_import(record, AGREED) == state
    assert state.salt is not None
    assert state.salt.key.hex() not in record.decode()
    assert state.salt.key != agreed.key


def test_without_the_agreed_salt_there_is_none() -> None:
    state = replace(a_state(b"abc"), salt=import_salt(AGREED[1], a_state().id))
    assert decode_import(encode_import(state), AGREED[:1]) == replace(state, salt=None)
    ended = replace(state, salt=None)
    assert decode_import(encode_import(ended), AGREED) == ended


def test_each_import_has_another_salt() -> None:
    salts = {import_salt(agreed, name).key for agreed in AGREED for name in ("a", "b")}
    assert len(salts) == 4


def test_the_id_is_made_of_the_content_and_the_choice_of_events() -> None:
    site = ImportSelection("example.com")
    known = content_id(b"head", Format.ACCESS_LOG, site)
    assert known == content_id(b"head", Format.ACCESS_LOG, site)
    assert len(known) == 12
    others = [
        content_id(b"other", Format.ACCESS_LOG, site),
        content_id(b"head", Format.JSON_LOG, site),
        content_id(b"head", Format.ACCESS_LOG, replace(site, until=NOON)),
    ]
    assert len({known, *others}) == 4


@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b"{}", b'{"version": 9, "salt": null}'])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no state of an import|version 9|Expecting"):
        decode_import(data, AGREED)
