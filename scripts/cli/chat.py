"""`serai chat`: talk to a tenant's endpoint through the vendors' own SDKs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from scripts.terminal.failure import CommandError
from scripts.terminal.options import json_option, state_option
from scripts.terminal.session import Endpoint, endpoint, open_existing

HELP = """\
  /cost     what this conversation has cost so far
  /receipt  the last answer's receipt
  /quit     leave (or Ctrl-D)"""
Turn = dict[str, Any]


@dataclass
class Chat:
    where: Endpoint
    ask: Callable[["Chat"], Iterator[str]]
    failures: type[Exception]
    """What the SDK raises."""
    model: str
    turns: list[Turn] = field(default_factory=list[Turn])
    request_ids: list[str] = field(default_factory=list[str])

    def say(self, text: str) -> Iterator[str]:
        self.turns.append({"role": "user", "content": text})
        answer: list[str] = []
        try:
            for piece in self.ask(self):
                answer.append(piece)
                yield piece
        except BaseException:
            self.turns.pop()
            raise
        self.turns.append({"role": "assistant", "content": "".join(answer) or "(nothing)"})

    def receipt(self, request_id: str) -> dict[str, Any]:
        import httpx

        url = f"{self.where.url}/v1/receipts/{request_id}"
        headers = {"authorization": f"Bearer {self.where.key}"}
        return httpx.get(url, headers=headers, timeout=10, trust_env=False).raise_for_status().json()


@click.command(name="chat")
@click.argument("tenant")
@click.option("--model", default="default", show_default=True, help="`default`, an alias, or `provider/model`.")
@click.option("--anthropic", "as_anthropic", is_flag=True, help="Use Anthropic's SDK and wire format.")
@click.option("--message", "-m", help="Say this, print the answer, and leave.")
@state_option
@json_option
def command(tenant: str, model: str, message: str | None, state: Path, *, as_anthropic: bool, as_json: bool) -> None:
    """Talk to TENANT's endpoint.

    \b
    Examples:
      serai chat acme
      serai chat acme --anthropic --model fast
      serai chat acme -m "Hello" --json
    """
    where = endpoint(open_existing(state), tenant)
    ask, failures = _anthropic(where) if as_anthropic else _openai(where)
    chat = Chat(where, ask, failures, model)
    if message is None:
        if as_json:
            raise CommandError("--json goes with --message.", exit_code=2)
        _talk(chat)
        return
    answer = "".join(_guarded(chat, message))
    request_id = chat.request_ids[-1]
    if as_json:
        click.echo(json.dumps({"answer": answer, "request_id": request_id, "receipt": chat.receipt(request_id)}))
    else:
        click.echo(answer)


def _talk(chat: Chat) -> None:
    click.echo(f"{chat.where.tenant} at {chat.where.url}, model {chat.model}. /help lists commands.")
    while True:
        try:
            text = click.prompt("you", prompt_suffix="> ").strip()
        except click.Abort:
            click.echo()
            return
        match text:
            case "/quit" | "/exit":
                return
            case "/help":
                click.echo(HELP)
            case "/cost":
                total = sum(chat.receipt(one)["cost"]["total_nano_usd"] for one in chat.request_ids)
                click.echo(f"{len(chat.request_ids)} answers, {total / 1e9:.9f} USD")
            case "/receipt":
                last = chat.request_ids[-1:]
                click.echo(json.dumps(chat.receipt(last[0]), indent=2) if last else "nothing was asked yet")
            case _ if text.startswith("/"):
                click.echo(f"no command {text}\n{HELP}")
            case _:
                _answer(chat, text)


def _answer(chat: Chat, text: str) -> None:
    try:
        for piece in _guarded(chat, text):
            click.echo(piece, nl=False)
        click.echo()
    except CommandError as error:
        click.echo(f"{error.message}")


def _guarded(chat: Chat, text: str) -> Iterator[str]:
    """The SDK's own exceptions, as one sentence."""
    try:
        yield from chat.say(text)
    except chat.failures as error:
        raise CommandError(str(error)) from error


Asker = tuple[Callable[[Chat], Iterator[str]], type[Exception]]
"""Each imports its own SDK only: that takes a second."""


def _openai(where: Endpoint) -> Asker:
    from openai import OpenAI, OpenAIError

    client = OpenAI(base_url=f"{where.url}/v1", api_key=where.key)

    def ask(chat: Chat) -> Iterator[str]:
        messages: Any = chat.turns
        raw = client.chat.completions.with_raw_response.create(model=chat.model, messages=messages, stream=True)
        chat.request_ids.append(raw.headers["x-request-id"])
        for chunk in raw.parse():
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return ask, OpenAIError


def _anthropic(where: Endpoint) -> Asker:
    from anthropic import Anthropic, AnthropicError

    client = Anthropic(base_url=where.url, api_key=where.key)

    def ask(chat: Chat) -> Iterator[str]:
        messages: Any = chat.turns
        with client.messages.stream(model=chat.model, max_tokens=1024, messages=messages) as stream:
            chat.request_ids.append(stream.response.headers["request-id"])
            yield from stream.text_stream

    return ask, AnthropicError
