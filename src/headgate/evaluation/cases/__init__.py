"""Test cases of an app: what is said, what is expected of the answer, and how runs of them add up."""

from headgate.evaluation.cases.assertions import CRITERIA_MAX, Assertions, Finding, Heard, findings
from headgate.evaluation.cases.judge import JUDGE_PROMPT, Ruling, judge_document, read_ruling
from headgate.evaluation.cases.suite import CASES_MAX, REPEAT_MAX, RUNS_MAX, Case, Expect, Suite, compile_suite
from headgate.evaluation.cases.tally import SNIPPET_CHARS, CaseTally, Failure, Run, Tally, tally

__all__ = [
    "CASES_MAX",
    "CRITERIA_MAX",
    "JUDGE_PROMPT",
    "REPEAT_MAX",
    "RUNS_MAX",
    "SNIPPET_CHARS",
    "Assertions",
    "Case",
    "CaseTally",
    "Expect",
    "Failure",
    "Finding",
    "Heard",
    "Ruling",
    "Run",
    "Suite",
    "Tally",
    "compile_suite",
    "findings",
    "judge_document",
    "read_ruling",
    "tally",
]
