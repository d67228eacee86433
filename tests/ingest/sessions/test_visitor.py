import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sessions.salts import Salt, Salts
from ingest.sessions.visitor import identify, identity, registrable_domain, user_id

KEY = bytes(range(16))
OTHER_KEY = bytes(range(1, 17))
PARTS = ("Mozilla/5.0", "192.0.2.1", "example.com", "example.com")


def test_hashes_as_published() -> None:
    message = "".join(map(chr, range(15)))

    parts = (message[:4], message[4:8], message[8:12], message[12:])

    assert user_id(KEY, identity(*parts)) == 0xA129CA6149BE45E5


def test_the_identity_is_what_ids_are_computed_from() -> None:
    agent, ip, domain, hostname = PARTS

    assert identity(*PARTS) == f"{agent}{ip}{domain}{hostname}".encode()
    assert identity(*PARTS[:3], "blog.example.com") == identity(*PARTS)


def test_parts_are_joined_without_separators() -> None:
    assert user_id(KEY, identity("ab", "c", "d", "e")) == user_id(
        KEY, identity("a", "bc", "d", "e")
    )
    assert user_id(KEY, identity("ab", "c", "d", "e")) != user_id(
        KEY, identity("c", "ab", "d", "e")
    )


def test_a_missing_user_agent_is_empty() -> None:
    assert user_id(KEY, identity(None, *PARTS[1:])) == user_id(KEY, identity("", *PARTS[1:]))


@pytest.mark.parametrize("changed", range(4), ids=["user agent", "address", "domain", "hostname"])
def test_every_part_counts(changed: int) -> None:
    parts = list(PARTS)
    parts[changed] += ".org"

    assert user_id(KEY, identity(*parts)) != user_id(KEY, identity(*PARTS))


def test_sub_domains_share_their_visitors() -> None:
    ids = {
        user_id(KEY, identity(*PARTS[:3], hostname))
        for hostname in ("example.com", "www.example.com", "a.blog.example.com")
    }

    assert len(ids) == 1


def test_computes_ids_under_both_salts() -> None:
    current, previous = Salt(KEY, 86_400), Salt(OTHER_KEY, 0)

    alone = identify(Salts(current), identity(*PARTS))
    both = identify(Salts(current, previous), identity(*PARTS))

    assert alone.user_id == both.user_id == user_id(KEY, identity(*PARTS))
    assert alone.previous_user_id is None
    assert both.previous_user_id == user_id(OTHER_KEY, identity(*PARTS)) != both.user_id


@given(st.text(st.characters()), st.text(), st.text(st.characters()), st.text(st.characters()))
def test_any_text_has_an_unsigned_id(agent: str, ip: str, domain: str, hostname: str) -> None:
    assert 0 <= user_id(KEY, identity(agent, ip, domain, hostname)) < 2**64


@pytest.mark.parametrize("text", ["\udcff", "\udcff\ud800", "ä", "ж", "😀", "\x00"])
def test_odd_text_counts(text: str) -> None:
    assert user_id(KEY, identity(text, *PARTS[1:])) != user_id(KEY, identity("", *PARTS[1:]))


@pytest.mark.parametrize(
    ("hostname", "domain"),
    [
        ("example.com", "example.com"),
        ("blog.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("foo.netlify.app", "foo.netlify.app"),
        ("a.foo.netlify.app", "foo.netlify.app"),
        ("foo.github.io", "foo.github.io"),
        ("x.city.kawasaki.jp", "city.kawasaki.jp"),
        ("shop.пример.рф", "пример.рф"),
        ("a.b.公司.cn", "b.公司.cn"),
        ("a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn"),
        ("a.b.unlisted", "b.unlisted"),
        ("example.com.", "example.com"),
        ("(none)", "(none)"),
        ("netlify.app", "netlify.app"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("", ""),
        (".", "."),
        ("a..example.com", "a..example.com"),
        ("a." * 125 + "com", "a.com"),
        ("a." * 126 + "com", "a." * 126 + "com"),
    ],
)
def test_finds_the_registrable_domain(hostname: str, domain: str) -> None:
    assert registrable_domain(hostname) == domain


@given(st.text(st.sampled_from("a.-_0:[]()é。\x00\ud800") | st.characters(), max_size=300))
def test_any_hostname_has_a_domain(hostname: str) -> None:
    domain = registrable_domain(hostname)
    assert domain == hostname or len(domain) <= len(hostname)
