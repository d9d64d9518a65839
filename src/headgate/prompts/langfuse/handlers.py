"""The operations of Langfuse's prompt API that are served."""

from __future__ import annotations

from collections.abc import Callable

from headgate.core.handlers import Handler
from headgate.core.registry import RegistryStore, Version
from headgate.core.roles import allow
from headgate.prompts.langfuse.desk import LangfuseDesk, ListQuery, PromptList, PromptObject, PromptQuery
from headgate.prompts.langfuse.labels import Exact

PATH = "/api/public/v2/prompts"


def langfuse_handlers(store: RegistryStore, exact: Exact, fetched: Callable[[Version], None]) -> list[Handler]:
    """Both of them. A name may hold slashes; the key comes as the password of Basic authentication. `fetched` is told
    of each version that was given."""
    desk = LangfuseDesk(store, exact, fetched)
    reads = allow("viewer")
    return [
        Handler("GET", PATH, "Prompts, as Langfuse lists them", desk.list, PromptList, reads, query=ListQuery,
                basic=True),
        Handler("GET", PATH + "/{name:path}", "One prompt version, as Langfuse's SDKs fetch it", desk.get,
                PromptObject, reads, query=PromptQuery, basic=True),
    ]  # fmt: skip
