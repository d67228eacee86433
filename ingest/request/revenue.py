"""Revenue: what a client sends, and what a site's goal makes of it (spec/ingestion.md §8)."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Final

from ingest.model.event import Revenue, RevenueAmounts
from ingest.model.iso_codes import CURRENCIES
from ingest.request.props import object_of

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_CENTS: Final = Decimal("0.001")
_AMOUNT_LENGTH: Final = 64
_LARGEST_POWER: Final = 14
"""The columns are Decimal(18, 3): fifteen digits before the point."""


def parse_revenue(value: object) -> Revenue | None:
    """Read an object, or JSON in a string, with an amount and a known currency.

    A number at the beginning of a string is enough for an amount (`"12.3abc"`).

    Returns:
        None for anything else, and for an amount that the columns cannot hold.
    """
    fields = object_of(value)
    if fields is None:
        return None
    currency, amount = fields.get("currency"), _amount(fields.get("amount"))
    if amount is None or not isinstance(currency, str) or currency not in CURRENCIES:
        return None
    return Revenue(amount, currency)


def convert(revenue: Revenue, goal_currency: str, rates: Mapping[str, Decimal]) -> RevenueAmounts:
    """Express revenue in the currency of a site's goal.

    Args:
        revenue: As sent.
        goal_currency: ISO 4217.
        rates: Units of each currency per US dollar.

    Returns:
        Amounts with three fraction digits. Without a rate for either currency there is no reporting
        amount, and what was sent is kept.
    """
    source = _round(revenue.amount)
    if revenue.currency == goal_currency:
        return RevenueAmounts(source, revenue.currency, source, goal_currency)
    from_rate, to_rate = rates.get(revenue.currency), rates.get(goal_currency)
    if from_rate is None or to_rate is None:
        return RevenueAmounts(source, revenue.currency, None, "")
    with localcontext(prec=40):
        converted = revenue.amount / from_rate * to_rate
    if not _fits(converted):
        return RevenueAmounts(source, revenue.currency, None, "")
    return RevenueAmounts(source, revenue.currency, _round(converted), goal_currency)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int) and value.bit_length() > 64:
        return None
    number = _NUMBER.match(str(value).strip()[:_AMOUNT_LENGTH])
    amount = None if number is None else Decimal(number[0])
    return amount if amount is not None and _fits(amount) else None


def _fits(amount: Decimal) -> bool:
    return amount.is_zero() or amount.adjusted() < _LARGEST_POWER


def _round(amount: Decimal) -> Decimal:
    with localcontext(prec=40):
        return amount.quantize(_CENTS, rounding=ROUND_HALF_UP)
