"""LiteLLM's config.yaml as a configuration and a workspace of ours: groups of models become routes, and apps by their
names, so that clients ask for what they asked for before."""

from __future__ import annotations

import msgspec

from headgate.cli.litellm_accounts import Accounts, Target
from headgate.core.artifact import Artifact
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.prompts.translate.draft import named

VERSION = "1.0.0"
ATTEMPTS_MAX = 10
_STRATEGIES = {"latency-based-routing": "fastest", "cost-based-routing": "cheapest"}
_WHY = {
    "master_key": "`headgate up` prints an admin key once; `headgate keys create` makes more",
    "database_url": "state is kept in a folder of its own",
    "store_model_in_db": "models are in headgate.yaml",
    "proxy_batch_write_at": "records are written as they come",
    "drop_params": "what a target cannot be told is always left out, and named in x-headgate-dropped",
    "set_verbose": "`headgate up --log`",
    "callbacks": "records stay here: headgate calls, /metrics, events",
    "success_callback": "records stay here: headgate calls, /metrics, events",
    "failure_callback": "records stay here: headgate calls, /metrics, events",
    "cooldown_time": "a target in trouble is found and rested by its own answers",
    "allowed_fails": "a target in trouble is found and rested by its own answers",
    "redis_host": "workers of one machine share their state without it",
    "redis_port": "workers of one machine share their state without it",
    "redis_password": "workers of one machine share their state without it",
    "redis_url": "workers of one machine share their state without it",
    "budget_duration": "headgate limits set tenant/NAME --budget USD/month",
    "max_budget": "headgate limits set tenant/NAME --budget USD/month",
    "guardrails": "write a policy: docs/guardrails.md",
}
_NONE = "it has no counterpart"


class Made(msgspec.Struct):
    """Our configuration, and workspace documents in order; what was carried, and what has no counterpart and why."""

    config: JsonObject
    documents: list[JsonObject]
    carried: list[str]
    left_out: list[str]


def convert(config: Artifact, owner: str) -> Made:
    """The whole of it; `owner` answers for the apps. Raises ConfigError naming file and line."""
    return _Converter(config, owner).made()


class _Converter:
    def __init__(self, config: Artifact, owner: str) -> None:
        self._config = config
        self._owner = owner
        self._left_out: list[str] = []
        self._carried: list[str] = []
        self._accounts = Accounts(config, self._told)
        self._groups: dict[str, list[Target]] = {}

    def made(self) -> Made:
        content = self._config.content
        rows = as_list(content.get("model_list"))
        if not rows:
            raise self._config.fault("model_list", "there is no model", "a config.yaml of LiteLLM's proxy")
        for index, value in enumerate(rows):
            self._entry(index, as_object(value) or {})
        router = as_object(content.get("router_settings")) or {}
        lite = as_object(content.get("litellm_settings")) or {}
        aliases = as_object(router.get("model_group_alias")) or {}
        names = {group: named(group) for group in self._groups}
        documents: list[JsonObject] = []
        for group in self._groups:
            documents += [self._route(group, router, lite), self._app(group, names[group], lite)]
        for alias, value in aliases.items():
            documents += self._alias(alias, value, names, lite)
        self._rest(router, lite)
        if not self._accounts.fields:
            raise self._config.fault("model_list", "no model of it can be reached from here", "see what is left out")
        config: JsonObject = {"workspace": "workspace", "providers": dict(self._accounts.fields)}
        for name, account in self._accounts.fields.items():
            key = account.get("key_env")
            self._carried.append(
                f"provider {name}: {account['type']}, " + (f"key in {key}" if key else "without a key")
            )
        return Made(config, documents, self._carried, self._left_out)

    def _entry(self, index: int, row: JsonObject) -> None:
        group = as_text(row.get("model_name"))
        if not group:
            raise self._config.fault(f"model_list.{index}", "an entry without a name", "model_name: gpt-4o")
        target = self._accounts.target(index, row)
        if target is None:
            return
        if "*" in group or "*" in target.address:
            said = f"`{group}`: models that no app names are asked for by their own names"
            self._told(f"model_list.{index}.model_name", said)
            return
        self._groups.setdefault(group, []).append(target)

    def _route(self, group: str, router: JsonObject, lite: JsonObject) -> JsonObject:
        own = list(dict.fromkeys(target.address for target in self._groups[group]))
        later = self._fallbacks(group, "fallbacks", router, lite)
        longer = self._fallbacks(group, "context_window_fallbacks", router, lite)
        targets = list(dict.fromkeys([*own, *later, *longer]))
        route: JsonObject = {
            "kind": "route", "name": named(group), "version": VERSION, "owner": self._owner, "targets": list(targets),
        }  # fmt: skip
        strategy = self._strategy(group, own, targets, router)
        if strategy is not None:
            route["strategy"] = strategy
        retries = router.get("num_retries", lite.get("num_retries"))
        if isinstance(retries, int) and retries >= 0:
            route["attempts"] = min(retries + 1, ATTEMPTS_MAX)
        total = router.get("timeout", lite.get("request_timeout"))
        if isinstance(total, int | float) and total > 0:
            route["deadlines"] = {"total_s": total}
        self._carried.append(f"route {named(group)}@{VERSION}: {', '.join(targets)}")
        return route

    def _strategy(self, group: str, own: list[str], targets: list[str], router: JsonObject) -> Json:
        told = as_text(router.get("routing_strategy")) or "simple-shuffle"
        if len(own) < 2:
            return None
        if told in _STRATEGIES:
            return _STRATEGIES[told]
        if told != "simple-shuffle":
            self._told("router_settings.routing_strategy", f"`{told}`: calls are shared out by weight instead")
        given = {target.address: target.weight for target in self._groups[group]}
        weights: JsonObject = {}
        for address in targets:  # a fallback is asked when its betters fail
            weight = (given[address] or 1) if address in own else 0
            weights[address] = int(weight) if weight == int(weight) else weight
        return {"name": "weighted", "weights": weights}

    def _fallbacks(self, group: str, kind: str, router: JsonObject, lite: JsonObject) -> list[str]:
        """Targets of the groups that follow this one."""
        found: list[str] = []
        for section, settings in (("router_settings", router), ("litellm_settings", lite)):
            rules = [as_object(rule) or {} for rule in as_list(settings.get(kind)) or []]
            names = [name for rule in rules for name in as_list(rule.get(group)) or []]
            if kind == "fallbacks":
                names += [name for name in as_list(settings.get("default_fallbacks")) or [] if name != group]
            for name in names:
                targets = self._groups.get(name) if isinstance(name, str) else None
                if targets is None:
                    self._told(
                        f"{section}.{kind}", f"`{name}` follows `{group}` and is no model of the file that is carried"
                    )
                found += [target.address for target in targets or []]
        if kind != "fallbacks" and found:
            self._carried.append(
                f"route {named(group)}: {', '.join(found)} also where the input is too long for the others"
            )
        return found

    def _app(self, group: str, name: str, lite: JsonObject) -> JsonObject:
        said = "" if name == group else f" (asked for as `{group}` before: clients change the name)"
        self._carried.append(f"app {name}{said}")
        return self._app_of(name, named(group), lite)

    def _app_of(self, name: str, route: str, lite: JsonObject) -> JsonObject:
        app: JsonObject = {
            "kind": "app", "name": name, "owners": [self._owner],
            "releases": [{"number": 1, "route": f"{route}@{VERSION}"}], "channels": {"production": 1},
        }  # fmt: skip
        ttl = (as_object(lite.get("cache_params")) or {}).get("ttl")
        if lite.get("cache") is True and isinstance(ttl, int | float) and ttl > 0:
            app["cache"] = {"ttl_s": ttl}
        return app

    def _alias(self, alias: str, value: Json, names: dict[str, str], lite: JsonObject) -> list[JsonObject]:
        group = as_text(value) or as_text((as_object(value) or {}).get("model"))
        path = f"router_settings.model_group_alias.{alias}"
        if group not in names:
            self._told(path, f"`{alias}` stands for `{group}`, which is no model of the file that is carried")
            return []
        if named(alias) in names.values():
            self._told(path, f"`{alias}`: there is a model of that name")
            return []
        self._carried.append(f"app {named(alias)}: the route of {names[group]}")
        return [self._app_of(named(alias), names[group], lite)]

    def _rest(self, router: JsonObject, lite: JsonObject) -> None:
        used = {
            "router_settings": {"fallbacks", "context_window_fallbacks", "default_fallbacks", "model_group_alias",
                                "routing_strategy", "num_retries", "timeout"},
            "litellm_settings": {"fallbacks", "context_window_fallbacks", "default_fallbacks", "num_retries",
                                 "request_timeout", "cache", "cache_params"},
            "general_settings": set[str](),
        }  # fmt: skip
        if lite.get("cache") is True and "ttl" not in (as_object(lite.get("cache_params")) or {}):
            self._told(
                "litellm_settings.cache", "`cache`: without a `ttl`: say for how long in the app, cache: {ttl_s: 600}"
            )
        for section, value in self._config.content.items():
            if section == "model_list":
                continue
            if section not in used:
                self._told(section, f"`{section}`: {_WHY.get(section, _NONE)}")
                continue
            for name in as_object(value) or {}:
                if name not in used[section]:
                    self._told(f"{section}.{name}", f"`{name}`: {_WHY.get(name, _NONE)}")

    def _told(self, path: str, what: str) -> None:
        said = f"{self._config.fault(path, '', '').where}: {what}"
        if said not in self._left_out:
            self._left_out.append(said)
