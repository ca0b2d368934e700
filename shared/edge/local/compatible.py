"""The Ai port on any OpenAI-compatible server, named by SERAI_LOCAL_MODELS: real models on this machine."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import cast

from shared.edge.ports import Ai, AiError, Http, HttpError, HttpRequest, HttpResponse, Json


class CompatibleAi:
    """Stands in for the AI binding. Workers AI's model names are matched with those that the server lists."""

    def __init__(self, http: Http, base_url: str, key: str | None = None) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._headers = [("content-type", "application/json")]
        if key:
            self._headers.append(("authorization", f"Bearer {key}"))
        self._names: list[str] | None = None

    async def run(self, model: str, inputs: dict[str, Json]) -> dict[str, Json]:
        response = await self._post(model, inputs)
        try:
            answer: Json = json.loads(await response.read())
        except (HttpError, ValueError) as error:
            raise AiError(502, f"{self._base}: {error}") from error
        if not isinstance(answer, dict):
            raise AiError(502, f"{self._base} answered no JSON object")
        return cast("dict[str, Json]", answer)

    async def stream(self, model: str, inputs: dict[str, Json]) -> AsyncIterator[bytes]:
        response = await self._post(model, {**inputs, "stream": True})
        return _chunks(self._base, response)

    async def _post(self, model: str, inputs: dict[str, Json]) -> HttpResponse:
        body = json.dumps({**inputs, "model": await self._local_name(model)}).encode()
        response = await self._send(HttpRequest("POST", f"{self._base}/chat/completions", self._headers, body))
        if response.status != 200:
            raise AiError(response.status, await _message(response))
        return response

    async def _local_name(self, model: str) -> str:
        """`@cf/openai/gpt-oss-20b` -> the server's model of that name, whatever its punctuation; else its first."""
        if self._names is None:
            response = await self._send(HttpRequest("GET", f"{self._base}/models", self._headers, timeout=10))
            if response.status != 200:
                raise AiError(response.status, f"{self._base}/models: {await _message(response)}")
            try:
                self._names = [entry["id"] for entry in json.loads(await response.read())["data"]]
            except (HttpError, ValueError, KeyError, TypeError) as error:
                raise AiError(502, f"{self._base}/models is no list of models: {error}") from error
        if not self._names:
            raise AiError(503, f"{self._base} serves no model")
        wanted = _plain(model.rsplit("/", 1)[-1])
        return next((name for name in self._names if _plain(name.rsplit("/", 1)[-1]) == wanted), self._names[0])

    async def _send(self, request: HttpRequest) -> HttpResponse:
        try:
            return await self._http.send(request)
        except HttpError as error:
            raise AiError(502, f"{error} (SERAI_LOCAL_MODELS)") from error


def local_ai(http: Http, environ: Mapping[str, str]) -> Ai | None:
    """The server that the environment names, if any."""
    url = environ.get("SERAI_LOCAL_MODELS")
    return CompatibleAi(http, url, environ.get("SERAI_LOCAL_MODELS_KEY")) if url else None


async def _chunks(base: str, response: HttpResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.chunks():
            yield chunk
    except HttpError as error:
        raise AiError(502, f"{base}: {error}") from error


async def _message(response: HttpResponse) -> str:
    try:
        document = json.loads(await response.read(limit=64 * 1024))
        return str(document["error"]["message"])[:500]
    except (HttpError, ValueError, KeyError, TypeError):
        return f"HTTP {response.status}"


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
