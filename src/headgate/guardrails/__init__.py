"""What may leave and what may come back: pattern rules on every text of a request and of an answer."""

from headgate.guardrails.check import Check, CheckModule
from headgate.guardrails.compile import compile_guardrail
from headgate.guardrails.policy import OPEN_POLICY, OpenPolicy, RulePolicy
from headgate.guardrails.service import Guardrails

__all__ = ["OPEN_POLICY", "Check", "CheckModule", "Guardrails", "OpenPolicy", "RulePolicy", "compile_guardrail"]
