"""What Datadog's API says of requests, by the models its own client generates from the published schema.

No Datadog can stand on this machine: this holds each request to the schema, answers with what the schema
allows, and checks that too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY, APP_KEY = "a" * 32, "b" * 40


def checked(model: type, value: Any) -> Any:
    """The value as the published model reads it; an error names what does not fit."""
    from datadog_api_client.configuration import Configuration
    from datadog_api_client.model_utils import data_to_dict, validate_and_convert_types

    read = validate_and_convert_types(value, (model,), ["body"], True, True, Configuration())
    _known(read)
    assert data_to_dict(read) == value, "it was read as something else"
    return read


def _known(read: Any) -> None:
    """Models keep fields they do not know, and values of enumerations that are none: none may be there."""
    from datadog_api_client.model_utils import ModelNormal

    assert not getattr(read, "_unparsed", False), read
    if isinstance(read, ModelNormal):
        assert set(read._data_store) <= set(read.attribute_map), read
        for name, value in read._data_store.items():
            assert value is not None or type(None) in read.openapi_types[name], read
            _known(value)
    elif isinstance(read, list):
        for value in read:
            _known(value)


class DatadogApi:
    """Three of its routes; `arrived` are submitted payloads as their model reads them."""

    def __init__(self) -> None:
        self.arrived: list[Any] = []
        self.queries: list[str] = []
        self.series: list[dict[str, Any]] = []
        self.raw: tuple[int, bytes] | None = None  # what is answered whatever is asked
        self.problems: list[str] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reads: asyncio.StreamReader, writes: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reads.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
            body = await reads.readexactly(int(headers.get("content-length", 0)))
            method, target, _ = first.split(" ")
            try:
                status, said = self.raw or self._answer(method, target, headers, body)
            except (AssertionError, TypeError, ValueError, KeyError) as error:
                self.problems.append(repr(error))
                status, said = 400, b'{"errors": ["bad request"]}'
            head_ = f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n"
            writes.write(head_.encode() + said)
            await writes.drain()
        writes.close()

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        where = urlsplit(target)
        if headers.get("dd-api-key") != API_KEY:
            return 403, b'{"errors": ["Forbidden"]}'
        if (method, where.path) == ("GET", "/api/v1/validate"):
            return 200, b'{"valid": true}'
        if (method, where.path) == ("POST", "/api/v2/series"):
            return 202, self._taken(json.loads(body))
        assert (method, where.path) == ("GET", "/api/v1/query"), target
        if headers.get("dd-application-key") != APP_KEY:
            return 403, b'{"errors": ["Forbidden"]}'
        return 200, self._told({name: value[0] for name, value in parse_qs(where.query).items()})

    def _taken(self, payload: Any) -> bytes:
        from datadog_api_client.v2.model.intake_payload_accepted import IntakePayloadAccepted
        from datadog_api_client.v2.model.metric_payload import MetricPayload

        self.arrived.append(checked(MetricPayload, payload))
        answer: dict[str, Any] = {"errors": []}
        checked(IntakePayloadAccepted, answer)
        return json.dumps(answer).encode()

    def _told(self, params: dict[str, str]) -> bytes:
        from datadog_api_client.v1.model.metrics_query_response import MetricsQueryResponse

        assert set(params) == {"from", "to", "query"}
        assert int(params["from"]) < int(params["to"])
        self.queries.append(params["query"])
        if params["query"] == "nonsense":
            answer: dict[str, Any] = {
                "status": "error",
                "error": "Rule 'scope_expr' didn't match at 'nonsense'",
            }
        else:
            answer = {
                "status": "ok",
                "res_type": "time_series",
                "query": params["query"],
                "series": self.series,
            }
        checked(MetricsQueryResponse, answer)
        return json.dumps(answer).encode()
