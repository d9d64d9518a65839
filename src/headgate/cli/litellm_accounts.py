"""LiteLLM's `litellm_params` as provider accounts and targets of ours."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.types import Json, JsonObject, as_object, as_text
from headgate.prompts.translate.draft import named

ENVIRONMENT = "os.environ/"
_PER_MILLION = 1_000_000
# prefix of a model's name there -> provider type here, variable of its key where the file names none
_VENDORS = {
    "openai": ("openai", "OPENAI_API_KEY"),
    "text-completion-openai": ("openai", "OPENAI_API_KEY"),
    "anthropic": ("anthropic", "ANTHROPIC_API_KEY"),
    "gemini": ("google", "GEMINI_API_KEY"),
}
# vendors that speak OpenAI's dialect: address, variable of the key
_COMPATIBLE = {
    "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "together_ai": ("https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "fireworks_ai": ("https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "xai": ("https://api.x.ai/v1", "XAI_API_KEY"),
    "perplexity": ("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "hosted_vllm": (None, None),
    "lm_studio": (None, None),
    "ollama": ("http://127.0.0.1:11434/v1", None),
    "ollama_chat": ("http://127.0.0.1:11434/v1", None),
}  # fmt: skip
_OWN_BASE = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_FAMILIES = (("gpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("chatgpt-", "openai"),
             ("claude-", "anthropic"), ("gemini-", "gemini"))  # fmt: skip
_USED = frozenset({
    "model", "api_base", "base_url", "api_key", "extra_headers", "weight", "rpm", "tpm", "order", "tags",
    "input_cost_per_token", "output_cost_per_token",
})  # fmt: skip
_FACTS = {"max_input_tokens": "context", "max_output_tokens": "max_output"}
_ABOUT = frozenset({*_FACTS, "input_cost_per_token", "output_cost_per_token", "id", "mode", "db_model"})


class Target(msgspec.Struct, frozen=True):
    """`provider/model`, and its share of the calls where the file states one."""

    address: str
    weight: float | None = None


class Accounts:
    """Provider accounts, each made once; `fields` is what `providers:` of headgate.yaml holds."""

    def __init__(self, config: Artifact, told: Callable[[str, str], None]) -> None:
        """`told(path, what)` takes what has no counterpart."""
        self._config = config
        self._told = told
        self.fields: dict[str, JsonObject] = {}
        self._named: dict[tuple[str, str | None, str | None], str] = {}

    def target(self, index: int, row: JsonObject) -> Target | None:
        """The target of one entry of `model_list`; None where no provider type fits. Raises ConfigError."""
        path = f"model_list.{index}.litellm_params"
        params = as_object(row.get("litellm_params")) or {}
        full = as_text(params.get("model"))
        if not full:
            raise self._config.fault(path, "an entry without a model", "litellm_params: {model: openai/gpt-4o, ...}")
        vendor, model = _vendor(full)
        account = self._account(path, vendor, params)
        if account is None:
            return None
        for name in params:
            if name not in _USED:
                self._told(
                    f"{path}.{name}", f"`{name}`: parameters of a call belong to a prompt's `settings` or the client"
                )
        self._limits(path, as_text(row.get("model_name")) or model, params)
        info = as_object(row.get("model_info")) or {}
        for name in info:
            if name not in _ABOUT:
                self._told(f"model_list.{index}.model_info.{name}", f"`{name}`: not known of a model here")
        self._facts(account, model, {**params, **info})
        weight = params.get("weight")
        return Target(f"{account}/{model}", float(weight) if isinstance(weight, int | float) else None)

    def _account(self, path: str, vendor: str, params: JsonObject) -> str | None:
        base = self._plain(f"{path}.api_base", params.get("api_base") or params.get("base_url"))
        if vendor in _VENDORS:
            kind, variable = _VENDORS[vendor]
            if base is not None and kind == "openai" and base.rstrip("/") != _OWN_BASE["openai"]:
                kind = "openai_compatible"
            elif base is not None and base.rstrip("/") in (_OWN_BASE.get(kind), f"{_OWN_BASE.get(kind)}/v1"):
                base = None
        elif vendor in _COMPATIBLE:
            kind, (usual, variable) = "openai_compatible", _COMPATIBLE[vendor]
            base = base or usual
            if base is None:
                raise self._config.fault(path, f"`{vendor}` without an address", "api_base: http://HOST:PORT/v1")
        else:
            self._told(
                path, f"`{vendor}`: no provider type speaks it; where it has an OpenAI-compatible address, use that"
            )
            return None
        key = self._key(f"{path}.api_key", params.get("api_key"), variable)
        wanted = (kind, base, key)
        if wanted not in self._named:
            name = self._free(named("google" if vendor == "gemini" else vendor))
            self._named[wanted] = name
            self.fields[name] = self._made(kind, base, key, params)
        return self._named[wanted]

    def _made(self, kind: str, base: str | None, key: str | None, params: JsonObject) -> JsonObject:
        made: JsonObject = {"type": kind}
        if base is not None:
            made["base_url"] = base
            where = urlsplit(base)
            if where.scheme == "http":
                made["allow_http"] = True
            if where.hostname in ("localhost", "127.0.0.1", "::1") or "." not in (where.hostname or "."):
                made["allow_private"] = True
        if key is not None:
            made["key_env"] = key
        headers = as_object(params.get("extra_headers"))
        if headers:
            made["headers"] = headers
        return made

    def _key(self, path: str, value: Json, variable: str | None) -> str | None:
        """The variable that holds the key. Raises ConfigError for a key that stands in the file itself."""
        if value is None or value == "":
            return variable
        text = as_text(value) or ""
        if text.startswith(ENVIRONMENT):
            return text.removeprefix(ENVIRONMENT)
        right = f"api_key: {ENVIRONMENT}{variable or 'MY_PROVIDER_KEY'}, and the key in that variable"
        raise self._config.fault(path, "a key stands in the file itself; keys are only named here", right)

    def _plain(self, path: str, value: Json) -> str | None:
        """An address. Raises ConfigError where a variable holds it."""
        text = as_text(value)
        if text is not None and text.startswith(ENVIRONMENT):
            raise self._config.fault(path, "the address is in a variable", "the address itself: only keys are secret")
        return text or None

    def _free(self, name: str) -> str:
        taken = [name, *(f"{name}-{count}" for count in range(2, len(self.fields) + 3))]
        return next(one for one in taken if one not in self.fields)

    def _limits(self, path: str, name: str, params: JsonObject) -> None:
        for limit in ("rpm", "tpm"):
            if limit in params:
                command = f"headgate limits set app/{named(name)} --{limit} {params[limit]}"
                self._told(f"{path}.{limit}", f"`{limit}`: limits are those of apps, keys, teams: {command}")

    def _facts(self, account: str, model: str, info: JsonObject) -> None:
        """Prices and windows that the file states."""
        facts: JsonObject = {ours: info[theirs] for theirs, ours in _FACTS.items() if isinstance(info.get(theirs), int)}
        input_, output = info.get("input_cost_per_token"), info.get("output_cost_per_token")
        if isinstance(input_, int | float) and isinstance(output, int | float):
            facts["price"] = {"input": round(input_ * _PER_MILLION, 6), "output": round(output * _PER_MILLION, 6)}
        if facts:
            models = as_object(self.fields[account].setdefault("models", {}))
            assert models is not None
            models[model] = facts


def _vendor(full: str) -> tuple[str, str]:
    """Vendor and model of `groq/llama-3`; a bare name tells its family."""
    vendor, found, model = full.partition("/")
    if found and (vendor in _VENDORS or vendor in _COMPATIBLE):
        return vendor, model
    family = next((family for start, family in _FAMILIES if full.startswith(start)), None)
    return (family, full) if family is not None else (vendor, model or full)
