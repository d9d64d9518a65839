"""Retrieval as the page sees it."""

from __future__ import annotations

from headgate.core.stages import Grounded, Prompted


class Retrieval:
    """Stateless: the retriever comes with the release."""

    async def ground(self, prompted: Prompted) -> Grounded:
        """The prompt with its context; the passages that were sent are on the record."""
        release = prompted.selected.release
        if release is None or release.retriever is None:
            return Grounded(prompted, prompted.body)
        grounded = await release.retriever.retrieve(prompted)
        prompted.selected.admitted.call.record.sources = list(grounded.sources)
        return grounded
