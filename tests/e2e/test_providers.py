"""Given one more entry in the providers' file, when a tenant names its model, then that server answers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Twin, Upstream


def test_a_provider_of_one_entry_answers_and_is_priced(twin: "Twin", upstream: "Upstream"):
    laboratory = twin.tenant("laboratory")
    with laboratory.openai() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="lab/llama-9", max_tokens=64, messages=[{"role": "user", "content": "Hello"}]
        )
        assert raw.parse().choices[0].message.content == "It answers."
        assert raw.headers["x-serai-model"] == "lab/llama-9"
        assert "lab/llama-9" in {model.id for model in client.models.list()}
    asked = upstream.asked[-1]
    assert (asked["model"], asked["authorization"], asked["path"]) == (
        "llama-9",
        "Bearer sk-lab",
        "/v1/chat/completions",
    )
    receipt = laboratory.get(f"/v1/receipts/{raw.headers['x-request-id']}")
    assert receipt["cost"]["model_nano_usd"] == 20 * 100 + 30 * 250


def test_it_speaks_the_other_wire_too_and_streams(twin: "Twin"):
    with (
        twin.tenant("laboratory").anthropic() as client,
        client.messages.stream(
            model="default", max_tokens=64, messages=[{"role": "user", "content": "Hello"}]
        ) as stream,
    ):
        message = stream.get_final_message()
    assert [block.text for block in message.content if block.type == "text"] == ["It answers."]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (20, 30)


def test_no_tenant_sees_the_operators_key(twin: "Twin"):
    laboratory = twin.tenant("laboratory")
    for path in ("/v1/config", "/v1/models", "/v1/keys"):
        assert "sk-lab" not in laboratory.request("GET", path).text
