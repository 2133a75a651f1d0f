"""Not a mind at all: carries one call that a person chose with a click, and says what came of it."""

from __future__ import annotations

from django.utils import translation

from chat.engines.offline import said_of_results, use
from chat.engines.protocol import Progress, Reply, Request


class GivenEngine:
    """The call always waits for an approval: `is_sure` is False."""

    name = ""  # Nobody thought about it.

    async def reply(self, request: Request, progress: Progress) -> Reply:
        with translation.override(request.language):
            said = said_of_results(request, progress)
        if said is not None:
            return said
        if request.given is None:
            raise AssertionError("only for turns that a click on a proposal began")
        name, arguments = request.given
        return use(request, name, dict(arguments), is_sure=False)

    async def aclose(self) -> None:
        pass
