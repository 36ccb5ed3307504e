"""RabbitMQ's management HTTP API, as far as the engine uses it."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from infra.offline_engine.errors import BrokerProblem

#: Requests in flight at once; more does not help a broker on the same machine.
CONNECTIONS = 8
TIMEOUT_SECONDS = 30.0


class Management:
    """A client that keeps its connections; paths are given as parts, each quoted here. Safe in threads.

    `patience` is how many seconds it waits for each connection and answer.
    """

    def __init__(self, url: str, user: str, password: str, *, patience: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.url,
            auth=(user, password),
            timeout=patience,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            transport=httpx.HTTPTransport(retries=2),
        )

    def __enter__(self) -> "Management":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, *parts: str, **parameters: str) -> Any:
        """The JSON answer; raises BrokerProblem, also when there is no such thing."""
        return self._ask("GET", parts, parameters=parameters).json()

    def put(self, *parts: str, body: object) -> None:
        """Create or replace; raises BrokerProblem."""
        self._ask("PUT", parts, body=body)

    def post(self, *parts: str, body: object) -> Any:
        """Post; the JSON answer if there is one; raises BrokerProblem."""
        response = self._ask("POST", parts, body=body)
        return response.json() if response.content else None

    def delete(self, *parts: str) -> None:
        """Delete, content with nothing being there; raises BrokerProblem."""
        self._ask("DELETE", parts, content_with=(httpx.codes.NOT_FOUND,))

    def _ask(
        self,
        method: str,
        parts: Iterable[str],
        *,
        body: object = None,
        parameters: dict[str, str] | None = None,
        content_with: tuple[int, ...] = (),
    ) -> httpx.Response:
        path = "/api/" + "/".join(quote(part, safe="") for part in parts)
        try:
            response = self._client.request(method, path, json=body, params=parameters)
        except httpx.TransportError as error:
            raise BrokerProblem(
                f"RabbitMQ's management API at {self.url} does not answer ({error}); "
                "start the broker with its management plugin, or correct the URL"
            ) from error
        if response.is_success or response.status_code in content_with:
            return response
        raise BrokerProblem(f"{method} {self.url}{path}: {response.status_code} {_reason(response)}")


def _reason(response: httpx.Response) -> str:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return "the user or its password is wrong, or it lacks the tag administrator"
    try:
        answer = response.json()
    except ValueError:
        return response.text[:300]
    return str(answer.get("reason", answer))[:300] if isinstance(answer, dict) else str(answer)[:300]
