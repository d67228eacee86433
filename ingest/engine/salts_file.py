"""The file of a front's salts: that of a single process, with the dates of the salts."""

import json
from collections.abc import Sequence

from ingest.engine.salt_agreement import DailySalt, daily_salts
from ingest.sessions import salts
from ingest.sessions.salts import Salt, Salts


def serialise_agreed(agreed: Sequence[DailySalt], day: int) -> str:
    """Encode salts as the text of the file; a single process finds the two newest in it.

    Args:
        agreed: At least one, oldest date first.
        day: Today, in days since 1970. A salt for tomorrow is not for a single process.
    """
    begun = [salt for salt in agreed if salt.day <= day] or agreed
    newest = [Salt(salt.key, salt.created_at) for salt in reversed(begun[-2:])]
    document = json.loads(salts.serialise(Salts(*newest)))
    document["days"] = [
        {"day": salt.day, "key": salt.key.hex(), "created_at": salt.created_at} for salt in agreed
    ]
    return json.dumps(document) + "\n"


def parse_agreed(text: str) -> list[DailySalt]:
    """Read what `serialise_agreed` wrote, or the file of a single process.

    Raises:
        ValueError: The text is invalid. The message has one line and does not contain a key.
    """
    single = salts.parse(text)
    days = json.loads(text).get("days")
    return daily_salts(single) if days is None else [_daily_salt(entry) for entry in days]


def _daily_salt(entry: object) -> DailySalt:
    match entry:
        case {"day": int(day), "key": str(key), "created_at": int(created_at)}:
            try:
                return DailySalt(day, bytes.fromhex(key), created_at)
            except ValueError:
                pass
    raise ValueError("salts: a salt needs a day, a key and the whole number created_at")
