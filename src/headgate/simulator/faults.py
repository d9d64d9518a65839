"""The catalogue: every fault shape that a server can produce, by name.

Families F1 to F36 are those of the fault catalogue that the gateway is held against. Not here: F10 (name lookup), F12
(TLS), F37 (the gateway's own disk, store and clock) and F38 (clients), which no provider's server produces; F34, all
providers down, is `*:f34-down`.
"""

from __future__ import annotations

from headgate.simulator import fault_answers as answers
from headgate.simulator import fault_bytes as octets
from headgate.simulator import fault_errors as errors
from headgate.simulator.fault import Fault

_DOWN = errors.outage(503)

_REFUSALS = (
    Fault("f1-500", "500 server error", errors.outage(500)),
    Fault("f1-502", "502 bad gateway", errors.outage(502)),
    Fault("f1-503", "503 unavailable", _DOWN),
    Fault("f1-504", "504 gateway timeout", errors.outage(504)),
    Fault("f1-529", "529 overloaded", errors.outage(529)),
    Fault("f2-seconds", "429, retry after 7 seconds", errors.limited("7")),
    Fault("f2-ms", "429, retry-after-ms: 1500", errors.limited("1500", "retry-after-ms")),
    Fault("f2-date", "429, retry after an HTTP date 20 seconds ahead", errors.limited("date")),
    Fault("f2-zero", "429, retry after 0", errors.limited("0")),
    Fault("f2-negative", "429, retry after -5", errors.limited("-5")),
    Fault("f2-huge", "429, retry after a billion seconds", errors.limited("1000000000")),
    Fault("f2-nan", "429, retry after NaN", errors.limited("NaN")),
    Fault("f3-minute", "429 for a window of a minute, no advice when to return", errors.limited()),
    Fault(
        "f4-quota", "money gone: 429 no waiting cures (quota, spend limit, quota per day)", errors.penniless("quota")
    ),
    Fault("f4-credit", "money gone: OpenAI credit_balance_exhausted", errors.penniless("credit")),
    Fault(
        "f4-organization-spend", "money gone: organization_spend_limit_exceeded", errors.penniless("organization-spend")
    ),
    Fault("f4-project-spend", "money gone: project_spend_limit_exceeded", errors.penniless("project-spend")),
    Fault(
        "f4-organization-usage", "money gone: organization_usage_limit_exceeded", errors.penniless("organization-usage")
    ),
    Fault("f4-billing", "money gone: 402, Google's 403 for disabled billing", errors.unpaid),
    Fault("f4-usage-400", "money gone: 400 'specified API usage limits'", errors.usage_limits),
    Fault("f5-401", "401 for a key that was good", errors.unauthorised),
    Fault("f5-403", "403 permission denied", errors.forbidden),
    Fault("f6-404", "404 model retired", errors.retired(404)),
    Fault("f6-410", "410 model gone", errors.retired(410)),
    Fault("f7-400", "400, the request is at fault", errors.client_fault(400)),
    Fault("f7-413", "413, the request is too large", errors.client_fault(413)),
    Fault("f7-422", "422, the request cannot be processed", errors.client_fault(422)),
    Fault("f8-context", "400, the context is too long", errors.too_long),
    Fault("f32-brownout", "a quarter of all requests get 503", _DOWN, share=0.25),
    Fault("f33-key-skew", "503 for half of all keys, by key", _DOWN, odd_keys=True),
    Fault("f34-down", "everything gets 503", _DOWN),
    Fault("f35-flap", "503 in every other period (30 s unless told)", _DOWN, flaps=True),
)
_ANSWERS = (
    Fault("f9-refusal", "the model declines", bend=answers.refused),
    Fault("f9-filter", "a content filter ends the answer", bend=answers.filtered),
    Fault("f9-blocked", "the prompt is blocked", bend=answers.blocked),
    Fault("f9-recitation", "a finish reason without content", bend=answers.recited),
    Fault("f21-no-choices", "200 without choices, blocks or candidates", bend=answers.emptied),
    Fault("f29-cut-arguments", "tool arguments break off", bend=answers.tool_fault("cut")),
    Fault("f29-duplicate-index", "two tool calls share an index", bend=answers.tool_fault("duplicate-index")),
    Fault("f29-no-id", "tool calls without ids", bend=answers.tool_fault("no-id")),
    Fault("f29-malformed", "MALFORMED_FUNCTION_CALL (Google), cut arguments elsewhere", bend=answers.malformed),
    Fault("f30-absent", "usage absent", bend=answers.usage_fault("absent")),
    Fault("f30-zero", "usage zero", bend=answers.usage_fault("zero")),
    Fault("f30-huge", "usage of 10^12", bend=answers.usage_fault("huge")),
    Fault("f31-model", "an older model answers", bend=answers.other_model),
    Fault("f31-language", "the answer switches language", bend=answers.other_language),
    Fault("f31-quality", "a useless answer", bend=answers.worse),
)
_EVENTS = (
    Fault("f20-no-events", "a stream without a single event", refit=answers.silenced),
    Fault("f22-error-first", "an error event before anything else", refit=answers.error_first),
    Fault("f22-error-opened", "an error event after the opening events", refit=answers.error_opened),
    Fault("f23-error-later", "an error event after some content", refit=answers.error_later),
    Fault("f24-eof", "a clean end after some content", refit=answers.ended_early),
    Fault("f24-no-finish", "all content, no finish, a clean end", refit=answers.unfinished),
    Fault("f26-bad-json", "one event of broken JSON, the rest fine", refit=answers.one_broken),
    Fault("f28-no-done", "finished, but no [DONE] or message_stop", refit=answers.undone),
)
_BYTES = (
    Fault("f11-reset", "connection reset before the answer", act=octets.reset, blind=True),
    Fault("f11-closed", "connection closed before the answer", act=octets.closed, blind=True),
    Fault(
        "f13-dead-keep-alive",
        "a kept connection is dead at its next request",
        act=octets.closed,
        reused=True,
        blind=True,
    ),
    Fault("f14-hang", "accepted, never answered", act=octets.hang, blind=True),
    Fault("f15-silent", "the head, then silence", act=octets.silent),
    Fault("f16-stall", "silence after some content, socket open", act=octets.stall),
    Fault("f17-drip", "a byte every 29 seconds (drip tells otherwise)", act=octets.drip),
    Fault("f18-json-error", "200 with an error body", remake=octets.said_as_error),
    Fault("f19-html", "200 with a challenge page", remake=octets.said_as_html),
    Fault("f20-empty", "200 with nothing", remake=octets.emptied),
    Fault("f20-cut", "200 with half of the JSON", remake=octets.cut),
    Fault("f25-abort", "reset in the middle of a chunk", act=octets.abort),
    Fault("f27-bytes", "a stream split at every byte", act=octets.single_bytes),
    Fault("f27-crlf", "events with CRLF", remake=octets.newline(b"\r\n")),
    Fault("f27-cr", "events with CR", remake=octets.newline(b"\r")),
    Fault("f27-lf", "events with LF", remake=octets.newline(b"\n")),
    Fault("f27-bom", "a byte order mark before the first event", act=octets.reframed(octets.event, b"\xef\xbb\xbf")),
    Fault("f27-comments", "comments between and inside events", act=octets.reframed(octets.commented)),
    Fault(
        "f27-fields", "id, retry and unknown fields, no space after colons", act=octets.reframed(octets.extra_fields)
    ),
    Fault("f27-lines", "JSON over several data lines", act=octets.reframed(octets.many_lines)),
    Fault("f27-megabyte", "finishing events of a megabyte", act=octets.reframed(octets.megabyte)),
    Fault("f28-linger", "complete, then the socket stays open", act=octets.linger),
    Fault("f32-slow", "ten times as slow", act=octets.slow),
    Fault("f36-gzip-bomb", "100 MB in a few KB of gzip", act=octets.gzip_bomb),
    Fault("f36-length-short", "Content-Length below the body", act=octets.length_short),
    Fault("f36-length-long", "Content-Length above the body", act=octets.length_long),
    Fault("f36-bad-chunk", "a chunk size that is no number", act=octets.bad_chunk),
    Fault("f36-huge-header", "a header of 10 MB", act=octets.huge_header),
    Fault("f36-many-headers", "100,000 headers", act=octets.many_headers),
    Fault("f36-flood", "10,000 interim 1xx responses", act=octets.flood),
)


def _number(fault: Fault) -> int:
    return int(fault.name[1:].partition("-")[0])


CATALOGUE: dict[str, Fault] = {
    fault.name: fault for fault in sorted((*_REFUSALS, *_ANSWERS, *_EVENTS, *_BYTES), key=_number)
}
