"""Identifies the operator's requests."""

from collections.abc import Mapping

from pydantic import SecretStr
from quart import Response, request

from ingest.http.admin import has_bearer_token, may_administer
from ingest.http.asgi_request import first_headers, peer_of
from ingest.http.responses import error

LOOPBACK_ONLY = (
    "Answered on loopback only, as localhost or 127.0.0.1 and not through a proxy; "
    "set SLUICE_ADMIN_TOKEN"
)
BASIC_CHALLENGE = 'Basic realm="Sluice", charset="UTF-8"'
"""The token is the password; any user name is accepted."""


class Operator:
    """Access control of the operator's routes, by the settings of one server."""

    def __init__(self, token: SecretStr | None, command_token: str) -> None:
        """Create the access control.

        Args:
            token: The operator's token; None to allow only requests from this machine.
            command_token: Token of this machine's command line, new at each start; valid for all
                routes, whether or not a token is set.
        """
        self._token = None if token is None else token.get_secret_value()
        self._command_token = command_token

    @property
    def token(self) -> str | None:
        """The operator's token; None if none is set."""
        return self._token

    def is_authorized(self) -> bool:
        """Whether the current request is the operator's."""
        scope = request.scope
        headers = first_headers(scope)
        return has_bearer_token(headers, self._command_token) or may_administer(
            headers, peer_of(scope), self._token
        )

    def is_authorized_command(self) -> bool:
        """Whether the current request comes from this machine's command line."""
        return has_bearer_token(first_headers(request.scope), self._command_token)

    def has_token(self, headers: Mapping[str, str]) -> bool:
        """Whether a request to a public route carries one of the operator's tokens.

        Args:
            headers: By lower-case name.
        """
        if "authorization" not in headers:
            return False
        admin = self._token is not None and has_bearer_token(headers, self._token)
        return admin or has_bearer_token(headers, self._command_token)

    def refusal(self) -> Response | None:
        """Return the answer to a request that is not the operator's; None if it is."""
        if self.is_authorized():
            return None
        response = self.denial()
        self.challenge(response)
        return response

    def challenge(self, response: Response) -> None:
        """Make browsers prompt for the token, if one is set."""
        if self._token is not None:
            response.headers.setlist("www-authenticate", ["Bearer", BASIC_CHALLENGE])

    def denial(self) -> Response:
        """Return the answer to a client that is not the operator."""
        if self._token is None:
            return error(403, "request", LOOPBACK_ONLY)
        return error(401, "request", "Needs the admin token", {"www-authenticate": "Bearer"})
