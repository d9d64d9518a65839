"""SARIF holds what the standard (2.1.0) demands of the objects that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs

from headgate.scanner import KINDS
from headgate.scanner.sarif import TELLS, sarif
from tests.scanner.support import scanned

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION: dict[str, Any] = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference", "pattern": "^[^/\\\\ ]"}},
                },
                "region": {
                    "required": ["startLine"],
                    "properties": {
                        key: {"type": "integer", "minimum": 1} for key in ("startLine", "startColumn", "endLine")
                    },
                },
            },
        }
    },
}
RUN: dict[str, Any] = {
    "type": "object",
    "required": ["tool", "results"],
    "properties": {
        "tool": {
            "required": ["driver"],
            "properties": {
                "driver": {
                    "required": ["name"],
                    "properties": {
                        "rules": {
                            "items": {"required": ["id"], "properties": {"shortDescription": TEXT}},
                            "uniqueItems": True,
                        }
                    },
                }
            },
        },
        "invocations": {
            "items": {
                "required": ["executionSuccessful"],
                "properties": {
                    "toolExecutionNotifications": {
                        "items": {
                            "required": ["message"],
                            "properties": {"message": TEXT, "level": LEVEL, "locations": {"items": LOCATION}},
                        }
                    }
                },
            }
        },
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {
            "items": {
                "required": ["message", "ruleId", "locations"],
                "properties": {
                    "message": TEXT,
                    "level": LEVEL,
                    "rank": {"type": "number", "minimum": -1, "maximum": 100},
                    "ruleIndex": {"type": "integer", "minimum": -1},
                    "locations": {"items": LOCATION, "minItems": 1},
                    "partialFingerprints": {"additionalProperties": {"type": "string"}},
                },
            }
        },
    },
}
LOG = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"}, "$schema": {"format": "uri"}, "runs": {"items": RUN, "minItems": 1},
    },
}  # fmt: skip


def test_a_log_holds_what_is_required(tmp_path: Path) -> None:
    result = scanned(
        tmp_path,
        **{
            "a b.py": 'PROMPT = "Answer in one short sentence."\nm = [{"role": "user", "content": q}]\n',
            "bad.py": "def f(:",
        },
    )
    log = sarif(result.findings, result.skipped, "1.2.3")
    jsonschema_rs.validator_for(LOG, validate_formats=True).validate(log)
    [run] = log["runs"]  # type: ignore[misc]
    assert [one["ruleId"] for one in run["results"]] == ["prompt_string", "messages"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b.py"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in run["results"])
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_nothing_found_is_a_sound_log_too() -> None:
    jsonschema_rs.validator_for(LOG, validate_formats=True).validate(sarif([], [], "1.2.3"))


def test_every_kind_has_a_rule() -> None:
    assert tuple(TELLS) == KINDS
