"""Tells the operator's requests from everybody's."""

from pydantic import SecretStr
from quart import Response, request

from ingest.http.admin import may_administer
from ingest.http.incoming import first_headers, peer_of
from ingest.http.responses import error


class Operator:
    """Who may see what is not for everybody, by the settings of one server."""

    def __init__(self, token: SecretStr | None) -> None:
        """Know the operator.

        Args:
            token: What the operator shows; None: the operator sits at this machine.
        """
        self._token = None if token is None else token.get_secret_value()

    @property
    def token(self) -> str | None:
        """What the operator shows; None when nothing is asked for."""
        return self._token

    def asks(self) -> bool:
        """Whether the request at hand is the operator's."""
        scope = request.scope
        return may_administer(first_headers(scope), peer_of(scope), self._token)

    def refusal(self) -> Response | None:
        """What to answer to a request that is not the operator's; None when it is."""
        return None if self.asks() else self.refusal_of_stranger()

    def refusal_of_stranger(self) -> Response:
        """What to answer to somebody who is not the operator."""
        if self._token is None:
            return error(403, "request", "Answered on loopback only; set SLUICE_ADMIN_TOKEN")
        return error(401, "request", "Needs the admin token", {"www-authenticate": "Bearer"})
