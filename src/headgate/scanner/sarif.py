"""Findings as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the lines."""

from __future__ import annotations

from urllib.parse import quote

from headgate.core.types import Json, JsonObject
from headgate.scanner.finding import Finding, Kind, Skipped

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
TELLS: dict[Kind, str] = {
    "sdk_call": "A call to a model that does not go through the gateway",
    "messages": "Chat messages built in code",
    "template": "A prompt template in code",
    "signature": "A DSPy signature in code",
    "prompt_string": "A prompt in code",
    "prompt_file": "A prompt read from a file",
    "hardcoded_key": "A provider's key in code",
}
_RANK = {"high": 90.0, "medium": 60.0, "low": 30.0}


def sarif(findings: list[Finding], skipped: list[Skipped], version: str) -> JsonObject:
    """One run with one result per finding; files that could not be read are notifications."""
    rules: list[Json] = [
        {"id": kind, "name": kind, "shortDescription": {"text": tells}, "defaultConfiguration": {"level": _level(kind)}}
        for kind, tells in TELLS.items()
    ]
    driver: JsonObject = {"name": "headgate scan", "version": version, "rules": rules}
    notes: list[Json] = [
        {"level": "warning", "message": {"text": one.why}, "locations": [_location(one.path, one.line, None, None)]}
        for one in skipped
    ]
    run: JsonObject = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [_result(one) for one in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _level(kind: Kind) -> str:
    return "error" if kind == "hardcoded_key" else "warning" if kind == "sdk_call" else "note"


def _result(one: Finding) -> JsonObject:
    said = f"{TELLS[one.kind]}: {one.excerpt}" if one.excerpt else TELLS[one.kind]
    properties: JsonObject = {
        "confidence": one.confidence, "provider": one.provider, "model": one.model, "variables": list(one.variables),
    }  # fmt: skip
    return {
        "ruleId": one.kind,
        "ruleIndex": list(TELLS).index(one.kind),
        "level": _level(one.kind),
        "rank": _RANK[one.confidence],
        "message": {"text": said},
        "locations": [_location(one.path, one.line, one.column, one.end_line)],
        "partialFingerprints": {"headgate/v1": one.fingerprint},
        "properties": properties,
    }


def _location(path: str, line: int | None, column: int | None, end: int | None) -> JsonObject:
    place: JsonObject = {"artifactLocation": {"uri": quote(path), "uriBaseId": "%SRCROOT%"}}
    if line is not None:
        region: JsonObject = {"startLine": line}
        if column is not None and end is not None:
            region |= {"startColumn": column, "endLine": end}
        place["region"] = region
    return {"physicalLocation": place}
