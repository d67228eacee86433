import ipaddress

import pytest

from ingest.model.network import shown_network


@pytest.mark.parametrize(
    ("network", "shown"),
    [
        ("203.0.113.7/32", "203.0.113.0/24"),
        ("203.0.113.128/25", "203.0.113.0/24"),
        ("203.0.0.0/16", "203.0.0.0/16"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_networks(network: str, shown: str) -> None:
    assert shown_network(ipaddress.ip_network(network)) == shown
