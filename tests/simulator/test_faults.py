"""Every fault of the catalogue produces its shape on a real socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import pathlib
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from headgate.simulator import CATALOGUE, SimulatorSettings
from headgate.simulator.board import Board, parse
from headgate.simulator.fault import Knobs
from headgate.simulator.messages import Request
from headgate.simulator.openai import OpenAi
from tests.simulator.client import (
    MODELS,
    Client,
    Got,
    body_of,
    headers_of,
    path_of,
    read_answer,
    request_bytes,
    simulate,
    with_tool,
)

VENDORS = ["openai", "anthropic", "google"]
QUIET_S = 0.4  # how long to listen to an answer that never ends
ENDLESS = {"f14-hang", "f15-silent", "f16-stall", "f17-drip", "f28-linger", "f32-slow"}
SAID = "please tell me a little more about the gate and its keeper"


def struck(name: str, vendor: str, *, stream: bool = True, options: str = "", body: Any = None) -> Got:
    """The answer to one request under one fault."""
    assert name in CATALOGUE

    async def work(client: Client) -> Got:
        headers = {"x-simulator-fault": name + options}
        most_s = QUIET_S if name in ENDLESS and "drip=0" not in options else 20.0
        return await client.ask(vendor, body, said=SAID, stream=stream, headers=headers, most_s=most_s)

    got = simulate(work)
    assert isinstance(got, Got)
    return got


def good(vendor: str, stream: bool = True) -> Got:
    """The answer to the same request without a fault."""

    async def work(client: Client) -> Got:
        return await client.ask(vendor, said=SAID, stream=stream)

    got = simulate(work)
    assert isinstance(got, Got)
    return got


def error_of(vendor: str, got: Got) -> dict[str, Any]:
    error = got.json()["error"]
    assert error["message"]
    if vendor == "google":
        assert error["code"] == got.status
    return dict(error)


STATUSES = {
    "f1-500": (500, 500, 500),
    "f1-502": (502, 502, 502),
    "f1-503": (503, 503, 503),
    "f1-504": (504, 504, 504),
    "f1-529": (529, 529, 529),
    "f2-seconds": (429, 429, 429),
    "f2-ms": (429, 429, 429),
    "f2-date": (429, 429, 429),
    "f2-zero": (429, 429, 429),
    "f2-negative": (429, 429, 429),
    "f2-huge": (429, 429, 429),
    "f2-nan": (429, 429, 429),
    "f3-minute": (429, 429, 429),
    "f4-quota": (429, 429, 429),
    "f4-credit": (429, 429, 429),
    "f4-organization-spend": (429, 429, 429),
    "f4-project-spend": (429, 429, 429),
    "f4-organization-usage": (429, 429, 429),
    "f4-billing": (402, 402, 403),
    "f4-usage-400": (400, 400, 400),
    "f5-401": (401, 401, 401),
    "f5-403": (403, 403, 403),
    "f6-404": (404, 404, 404),
    "f6-410": (410, 410, 410),
    "f7-400": (400, 400, 400),
    "f7-413": (413, 413, 413),
    "f7-422": (422, 422, 422),
    "f8-context": (400, 400, 400),
    "f34-down": (503, 503, 503),
}


@pytest.mark.parametrize("name", STATUSES)
def test_refusals_have_their_status_and_form(name: str) -> None:

    async def work(client: Client) -> None:
        for vendor, status in zip(VENDORS, STATUSES[name], strict=True):
            got = await client.ask(vendor, headers={"x-simulator-fault": name})
            assert got.status == status, got.body
            error_of(vendor, got)

    simulate(work)


def test_retry_advice() -> None:
    assert struck("f2-seconds", "openai").headers["retry-after"] == "7"
    assert struck("f2-ms", "openai").headers["retry-after-ms"] == "1500"
    assert parsedate_to_datetime(struck("f2-date", "anthropic").headers["retry-after"]).tzinfo is not None
    assert struck("f2-zero", "anthropic").headers["retry-after"] == "0"
    assert struck("f2-negative", "openai").headers["retry-after"] == "-5"
    assert struck("f2-huge", "openai").headers["retry-after"] == "1000000000"
    assert struck("f2-nan", "openai").headers["retry-after"] == "NaN"
    silent = struck("f3-minute", "openai").headers
    assert not any("retry-after" in name or "ratelimit" in name for name in silent)
    google = struck("f2-seconds", "google")
    assert "retry-after" not in google.headers
    details = google.json()["error"]["details"]
    assert details[-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    assert "PerMinute" in details[0]["violations"][0]["quotaId"]
    assert "Please retry in 7s." in google.json()["error"]["message"]


def test_money_gone_says_so_in_each_vendors_words() -> None:
    codes = {
        "f4-quota": "insufficient_quota",
        "f4-credit": "credit_balance_exhausted",
        "f4-organization-spend": "organization_spend_limit_exceeded",
        "f4-project-spend": "project_spend_limit_exceeded",
        "f4-organization-usage": "organization_usage_limit_exceeded",
    }
    for name, code in codes.items():
        assert struck(name, "openai").json()["error"]["code"] == code
    spend = struck("f4-quota", "anthropic")
    assert spend.json()["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}
    assert "retry-after" not in spend.headers
    assert struck("f4-billing", "anthropic").json()["error"]["type"] == "billing_error"
    assert "specified API usage limits" in struck("f4-usage-400", "anthropic").json()["error"]["message"]
    assert "PerDay" in struck("f4-quota", "google").json()["error"]["details"][0]["violations"][0]["quotaId"]


def test_outages_have_the_vendors_types() -> None:
    assert struck("f1-529", "anthropic").json()["error"]["type"] == "overloaded_error"
    assert struck("f1-504", "anthropic").json()["error"]["type"] == "timeout_error"
    assert struck("f1-503", "google").json()["error"]["status"] == "UNAVAILABLE"
    assert struck("f1-504", "google").json()["error"]["status"] == "DEADLINE_EXCEEDED"
    assert struck("f8-context", "openai").json()["error"]["code"] == "context_length_exceeded"


# -- what the model says --------------------------------------------------------------------------------------------


def test_refusals_and_filters() -> None:
    openai = struck("f9-refusal", "openai", stream=False).json()["choices"][0]
    assert (openai["message"]["content"], openai["finish_reason"]) == (None, "stop")
    assert openai["message"]["refusal"]
    assert struck("f9-refusal", "anthropic", stream=False).json()["stop_reason"] == "refusal"
    google = struck("f9-refusal", "google", stream=False).json()["candidates"][0]
    assert google["finishReason"] == "SAFETY"
    assert "content" not in google
    assert struck("f9-filter", "openai", stream=False).json()["choices"][0]["finish_reason"] == "content_filter"
    assert struck("f9-recitation", "google").events()[-1]["candidates"][0]["finishReason"] == "RECITATION"
    blocked = struck("f9-blocked", "google", stream=False).json()
    assert blocked["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert "candidates" not in blocked
    assert struck("f9-blocked", "openai", stream=False).json()["error"]["code"] == "invalid_prompt"


def test_no_choices() -> None:
    assert struck("f21-no-choices", "openai", stream=False).json()["choices"] == []
    assert struck("f21-no-choices", "anthropic", stream=False).json()["content"] == []
    assert "candidates" not in struck("f21-no-choices", "google", stream=False).json()
    assert not any(event["choices"] for event in struck("f21-no-choices", "openai").events())


def parallel(vendor: str, stream: bool) -> dict[str, Any]:
    return with_tool(vendor, body_of(vendor, "[[parallel]] weather", stream=stream))


def test_broken_tool_calls() -> None:
    cut = struck("f29-cut-arguments", "openai", stream=False, body=parallel("openai", False)).json()
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    events = struck("f29-cut-arguments", "anthropic", body=parallel("anthropic", True)).events()
    first = [e["delta"] for e in events if e.get("index") == 0 and "delta" in e]
    said = "".join(delta.get("partial_json", "") for delta in first)
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)
    events = struck("f29-duplicate-index", "openai", body=parallel("openai", True)).events()
    calls = [call for e in events for c in e["choices"] for call in c["delta"].get("tool_calls", [])]
    assert {call["index"] for call in calls} == {0}
    assert len({call["id"] for call in calls if "id" in call}) == 2
    events = struck("f29-no-id", "openai", body=parallel("openai", True)).events()
    calls = [call for e in events for c in e["choices"] for call in c["delta"].get("tool_calls", [])]
    assert calls
    assert not any("id" in call for call in calls)
    google = struck("f29-malformed", "google", body=parallel("google", False), stream=False).json()["candidates"][0]
    assert google["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert "content" not in google


def test_usage_faults() -> None:
    assert "usage" not in struck("f30-absent", "openai", stream=False).json()
    assert "usageMetadata" not in struck("f30-absent", "google", stream=False).json()
    assert struck("f30-zero", "openai", stream=False).json()["usage"]["total_tokens"] == 0
    assert struck("f30-huge", "anthropic", stream=False).json()["usage"]["output_tokens"] == 10**12


def test_drift() -> None:
    assert struck("f31-model", "openai", stream=False).json()["model"] == "gpt-3.5-turbo-0125"
    assert b"Deutsch" in struck("f31-language", "anthropic", stream=False).body
    assert b"It depends." in struck("f31-quality", "google", stream=False).body


# -- events ---------------------------------------------------------------------------------------------------------


def finishes(vendor: str, got: Got) -> bool:
    """Whether anything in the stream says why it is over."""
    words = {"openai": b'"finish_reason":"', "anthropic": b"message_delta", "google": b'"finishReason"'}
    return words[vendor] in got.body


def contents(vendor: str, got: Got) -> int:
    """How many events show content."""
    if vendor == "openai":
        return sum(bool(c["delta"].get("content")) for e in got.events() for c in e.get("choices", []))
    if vendor == "anthropic":
        return sum(e["type"] == "content_block_delta" for e in got.events())
    return sum("candidates" in e for e in got.events())


@pytest.mark.parametrize("vendor", VENDORS)
def test_error_events(vendor: str) -> None:
    first = struck("f22-error-first", vendor)
    assert first.complete
    assert len(first.events()) == 1
    assert "error" in first.events()[0]
    opened = struck("f22-error-opened", vendor)
    assert contents(vendor, opened) == 0
    assert "error" in opened.events()[-1]
    assert vendor == "google" or len(opened.events()) > 1
    later = struck("f23-error-later", vendor, options=",after=2")
    assert contents(vendor, later) == 2
    assert "error" in later.events()[-1]
    assert not finishes(vendor, later)
    if vendor == "anthropic":
        assert b"event: error\n" in later.body


@pytest.mark.parametrize("vendor", VENDORS)
def test_truncation(vendor: str) -> None:
    early = struck("f24-eof", vendor, options=",after=4")
    assert early.complete
    assert contents(vendor, early) == 4
    assert not finishes(vendor, early)
    unfinished = struck("f24-no-finish", vendor)
    assert unfinished.complete
    assert not finishes(vendor, unfinished)
    assert b"[DONE]" not in unfinished.body
    assert struck("f20-no-events", vendor).events() == []
    undone = struck("f28-no-done", vendor)
    assert finishes(vendor, undone)
    assert b"[DONE]" not in undone.body
    assert b"message_stop" not in undone.body


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_broken_event(vendor: str) -> None:
    got = struck("f26-bad-json", vendor)
    broken = []
    for data in got.datas():
        try:
            json.loads(data)
        except json.JSONDecodeError:
            broken.append(data)
    assert [data for data in broken if data != b"[DONE]"] == [b'{"id":"broken","choices":[{"delta":']
    assert finishes(vendor, got)


# -- bytes ----------------------------------------------------------------------------------------------------------


def test_dead_and_silent_connections() -> None:
    reset = struck("f11-reset", "openai")
    assert (reset.status, reset.error) == (0, "reset")
    assert struck("f11-closed", "openai").error == "eof"
    hung = struck("f14-hang", "anthropic")
    assert (hung.status, hung.error) == (0, "silence")
    for stream in (False, True):
        silent = struck("f15-silent", "google", stream=stream)
        assert (silent.status, silent.body, silent.error) == (200, b"", "silence")
        stalled = struck("f16-stall", "openai", stream=stream, options=",after=2")
        assert stalled.status == 200
        assert stalled.error == "silence"
        assert stalled.body
    assert contents("openai", struck("f16-stall", "openai", options=",after=2")) == 2
    dripped = struck("f17-drip", "openai", options=",drip=60")
    assert (dripped.body, dripped.error) == (b"d", "silence")
    aborted = struck("f25-abort", "anthropic")
    assert aborted.error in ("reset", "eof")
    assert b"content_block_delta" in aborted.body
    assert not finishes("anthropic", aborted)


def test_drip_in_the_end_says_everything() -> None:
    got = struck("f17-drip", "openai", stream=False, options=",drip=0")
    assert got.json() == good("openai", stream=False).json()


def test_a_dead_kept_connection() -> None:
    async def work(client: Client) -> None:
        await client.send("POST", "/__control", {"fault": "f13-dead-keep-alive"})
        reader, writer = await asyncio.open_connection(client.host, client.port)
        sent = request_bytes("POST", path_of("openai", "", False), body_of("openai", "hi"), headers_of("openai"))
        writer.write(sent)
        assert (await read_answer(reader)).status == 200
        writer.write(sent)
        assert (await read_answer(reader)).error == "eof"
        writer.close()

    simulate(work)


@pytest.mark.parametrize("vendor", VENDORS)
def test_success_that_is_none(vendor: str) -> None:
    for stream in (False, True):
        refused = struck("f18-json-error", vendor, stream=stream)
        assert refused.status == 200
        assert refused.json()["error"]["message"]
        page = struck("f19-html", vendor, stream=stream)
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        assert struck("f20-empty", vendor, stream=stream).body == b""
        cut = struck("f20-cut", vendor, stream=stream)
        assert cut.complete
        with pytest.raises(json.JSONDecodeError):
            json.loads(cut.datas()[-1] if stream else cut.body)


@pytest.mark.parametrize(
    "name",
    ["f27-bytes", "f27-crlf", "f27-cr", "f27-lf", "f27-bom", "f27-comments", "f27-fields", "f27-lines", "f27-megabyte"],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_odd_framing_says_the_same(name: str, vendor: str) -> None:
    got = struck(name, vendor)
    assert got.complete
    assert got.events() == good(vendor).events()
    marks = {
        "f27-cr": b"\r\r",
        "f27-crlf": b"\r\n\r\n",
        "f27-bom": b"\xef\xbb\xbf",
        "f27-comments": b": keep-alive",
        "f27-fields": b"retry: 3000",
        "f27-lines": b"data: {",
        "f27-megabyte": b" " * (1 << 20),
    }
    assert marks.get(name, b"data: ") in got.body
    assert not (name == "f27-lf" and b"\r" in got.body)


def test_lingering_after_the_end() -> None:
    got = struck("f28-linger", "openai")
    assert got.datas()[-1] == b"[DONE]"
    assert (got.complete, got.error) == (False, "silence")


def test_hostile_http() -> None:
    bomb = struck("f36-gzip-bomb", "openai")
    assert bomb.headers["content-encoding"] == "gzip"
    assert len(bomb.body) < 200_000
    assert len(gzip.decompress(bomb.body)) > 100_000_000
    full = good("openai", stream=False).body
    assert len(struck("f36-length-short", "openai", stream=False).body) == len(full) - 10
    long = struck("f36-length-long", "openai", stream=False)
    assert (long.body, long.error) == (full, "eof")
    assert len(struck("f36-huge-header", "openai", stream=False).headers["x-filler"]) == 10 << 20
    assert len(struck("f36-many-headers", "openai", stream=False).headers) > 100_000
    flood = struck("f36-flood", "openai", stream=False)
    assert flood.body == full

    async def work(client: Client) -> None:
        with pytest.raises(ValueError, match="invalid literal for int"):
            await client.ask("openai", headers={"x-simulator-fault": "f36-bad-chunk"})

    simulate(work)


def test_slow_is_slower() -> None:
    got = struck("f32-slow", "openai", stream=False)
    assert (got.status, got.error) == (0, "silence")


# -- rules ----------------------------------------------------------------------------------------------------------


def statuses(settings: SimulatorSettings, asks: list[dict[str, Any]]) -> list[int]:
    async def work(client: Client) -> list[int]:
        return [(await client.ask(**ask)).status for ask in asks]

    found = simulate(work, settings)
    assert isinstance(found, list)
    return found


def test_rules_at_start_by_share_and_count() -> None:
    ask = {"vendor": "openai"}
    assert statuses(SimulatorSettings(faults=("openai:f1-503,count=2",)), [ask] * 4) == [503, 503, 200, 200]
    some = statuses(SimulatorSettings(faults=("*:f32-brownout",)), [ask] * 100)
    assert 10 < some.count(503) < 40
    assert some == statuses(SimulatorSettings(faults=("*:f32-brownout",)), [ask] * 100)
    assert statuses(SimulatorSettings(faults=("google:f1",)), [ask, {"vendor": "google"}]) == [200, 500]
    keyed = [{"vendor": "openai", "headers": {"authorization": f"Bearer sim-{at}"}} for at in range(20)]
    skewed = statuses(SimulatorSettings(faults=("*:f33-key-skew",)), keyed * 2)
    assert skewed[:20] == skewed[20:]
    assert set(skewed) == {200, 503}
    filtered = SimulatorSettings(faults=("openai:f5-401,key=sim-3", "openai:f6-404,model=gpt-5"))
    assert statuses(filtered, [keyed[3], keyed[4], {"vendor": "openai", "model": "gpt-5"}]) == [401, 200, 404]


def test_rules_at_run_time() -> None:
    async def work(client: Client) -> None:
        assert (await client.ask("openai")).status == 200
        set_ = await client.send("POST", "/__control", {"vendor": "openai", "fault": "f1-500", "count": 1})
        assert set_.status == 200
        assert (await client.ask("openai")).status == 500
        assert (await client.ask("openai")).status == 200
        shown = (await client.send("GET", "/__control")).json()
        assert shown["rules"][0]["hits"] == 1
        assert (shown["answered"], shown["struck"]) == (3, 1)
        assert (await client.send("DELETE", "/__control")).json()["rules"] == []
        unknown = ({"fault": "f99"}, {"vendor": "nobody", "fault": "f1"}, {"fault": "f1", "shape": 1})
        for wrong in (*unknown, [], {"fault": 1}):
            got = await client.send("POST", "/__control", wrong)
            assert got.status == 400, wrong
            assert got.json()["error"]

    simulate(work)


def test_flapping_follows_the_clock() -> None:

    now = [100.0]
    board = Board(1, Knobs(), lambda: now[0])
    board.add(parse("openai:f35-flap,period=10"))
    board.add(parse("openai:f1-500,seconds=25"))
    request = Request("POST", "/v1/chat/completions", {}, {}, b"")
    seen = []
    for _ in range(4):
        strike = board.strike(OpenAi(), request, "")
        seen.append(strike.fault.name if strike else None)
        now[0] += 10
    assert seen == ["f35-flap", "f1-500", "f35-flap", None]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_model_suffix_strikes_that_request_alone(vendor: str) -> None:
    async def work(client: Client) -> None:
        model = MODELS[vendor]
        assert (await client.ask(vendor, model=f"{model}~f1-503")).status == 503
        fine = await client.ask(vendor, model=f"{model}~f31-language")
        assert fine.status == 200
        assert b"Deutsch" in fine.body
        assert (await client.ask(vendor, model=f"{model}~f99")).status == 400
        assert (await client.ask(vendor)).status == 200
        assert [one.fault for one in client.simulator.requests] == ["f1-503", "f31-language", None, None]

    simulate(work)


def test_text_rules_that_say_nothing_are_refused() -> None:
    for said in ("openai:f99", "f1-999", "nobody:f1", "openai:f1@two", "openai:f1@2", "openai:f1,colour=red"):
        with pytest.raises(ValueError, match=r"."):
            simulate(lambda client: None, SimulatorSettings(faults=(said,)))


def test_every_fault_of_the_catalogue_has_a_line_and_a_test() -> None:
    assert all(fault.name == name and fault.summary for name, fault in CATALOGUE.items())
    families = {name.partition("-")[0] for name in CATALOGUE}
    assert families == {f"f{number}" for number in (*range(1, 10), 11, *range(13, 37))}
    source = pathlib.Path(__file__).read_text()
    assert [name for name in CATALOGUE if f'"{name}"' not in source and f":{name}" not in source] == []
