import pytest

from ingest.plausible.connection_failure import advice_on


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("failed to resolve host 'db': [Errno -2] Name or service not known", "name of the host"),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "start Post"),
        ("connection timeout expired", "firewall"),
        ('FATAL: password authentication failed for user "x"', "user and password"),
        ("connection failed: fe_sendauth: no password supplied", "user and password"),
        ('FATAL: no pg_hba.conf entry for host "192.0.2.1", SSL off', "pg_hba.conf"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ("permission denied for table sites", "GRANT SELECT"),
        ('FATAL: database "x" does not exist', "name of the database"),
        ('column "xmin" does not exist', "views"),
        ("FATAL: sorry, too many clients already", "max_connections"),
        ("FATAL: the database system is starting up", "wait"),
        ("something else", ""),
    ],
)
def test_advice(message: str, advice: str) -> None:
    assert advice in advice_on(message)
    assert bool(advice) == bool(advice_on(message))
