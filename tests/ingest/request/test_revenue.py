from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Revenue, RevenueAmounts
from ingest.request.revenue import convert, parse_revenue

RATES = {"USD": Decimal(1), "BRL": Decimal("0.7"), "EUR": Decimal("0.5")}


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ({"amount": "10.20", "currency": "USD"}, "10.20"),
        ({"amount": 10.2, "currency": "USD"}, "10.2"),
        ({"amount": 7, "currency": "USD"}, "7"),
        ({"amount": -7, "currency": "USD"}, "-7"),
        ({"amount": "12.3abc", "currency": "USD"}, "12.3"),
        ({"amount": " 5", "currency": "USD"}, "5"),
        ({"amount": "1e3", "currency": "USD"}, "1E+3"),
        ({"amount": "99999999999999", "currency": "USD"}, "99999999999999"),
        ('{"amount": 1, "currency": "USD"}', "1"),
        ({"amount": "1e-9999", "currency": "USD"}, "1E-9999"),
        ({"amount": "0e9999", "currency": "USD"}, "0E+9999"),
        # Four digits of an exponent are read, what follows is not.
        ({"amount": "1e-1000000000", "currency": "USD"}, "1E-1000"),
        ({"amount": "1e1000000000", "currency": "USD"}, None),
        ({"amount": float("inf"), "currency": "USD"}, None),
        ({"amount": float("nan"), "currency": "USD"}, None),
        ({"amount": 1e308, "currency": "USD"}, None),
        ({"amount": "NaN", "currency": "USD"}, None),
        ({"amount": "sNaN", "currency": "USD"}, None),
        ({"amount": "Infinity", "currency": "USD"}, None),
        ({"amount": "١٢", "currency": "USD"}, None),
        ({"amount": "9" * 900_000, "currency": "USD"}, None),
        ({"amount": "0." + "0" * 900_000 + "1", "currency": "USD"}, "0"),
        ({"amount": "abc", "currency": "USD"}, None),
        ({"amount": True, "currency": "USD"}, None),
        ({"amount": None, "currency": "USD"}, None),
        ({"amount": "1e99", "currency": "USD"}, None),
        ({"amount": 10**400, "currency": "USD"}, None),
        ({"amount": "1" * 16, "currency": "USD"}, None),
        ({"amount": 1, "currency": "usd"}, None),
        ({"amount": 1, "currency": "XYZ"}, None),
        ({"amount": 1, "currency": 5}, None),
        ({"amount": 1}, None),
        ({"currency": "USD"}, None),
        ("x", None),
        (5, None),
        (None, None),
    ],
)
def test_what_is_usable(value: Any, amount: str | None) -> None:
    expected = None if amount is None else Revenue(Decimal(amount), "USD")
    assert parse_revenue(value) == expected


@pytest.mark.parametrize(
    ("amount", "currency", "goal", "expected"),
    [
        ("10.2", "USD", "USD", ("10.200", "10.200", "USD")),
        ("10.2", "USD", "BRL", ("10.200", "7.140", "BRL")),
        ("7.14", "BRL", "USD", ("7.140", "10.200", "USD")),
        ("7", "BRL", "EUR", ("7.000", "5.000", "EUR")),
        ("1.0005", "USD", "USD", ("1.001", "1.001", "USD")),
        ("5", "USD", "JPY", ("5.000", None, "")),
        ("5", "JPY", "USD", ("5.000", None, "")),
        ("1e-9999", "USD", "BRL", ("0.000", "0.000", "BRL")),
        ("0e9999", "USD", "BRL", ("0.000", "0.000", "BRL")),
    ],
)
def test_conversion(
    amount: str, currency: str, goal: str, expected: tuple[str, str | None, str]
) -> None:
    source, reporting, reporting_currency = expected
    assert convert(Revenue(Decimal(amount), currency), goal, RATES) == RevenueAmounts(
        Decimal(source),
        currency,
        None if reporting is None else Decimal(reporting),
        reporting_currency,
    )


def test_a_conversion_that_the_column_cannot_hold() -> None:
    rates = {"USD": Decimal(1), "VND": Decimal(25_000)}
    amounts = convert(Revenue(Decimal(99_999_999_999_999), "USD"), "VND", rates)
    assert (amounts.reporting_amount, amounts.reporting_currency) == (None, "")


@given(st.text() | st.floats() | st.integers())
def test_any_amount_is_usable_or_not(amount: object) -> None:
    revenue = parse_revenue({"amount": amount, "currency": "USD"})
    if revenue is not None:
        assert abs(convert(revenue, "EUR", RATES).source_amount) < 10**15
