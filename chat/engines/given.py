"""Not a model: issues the one call that a person chose with a click, and reports its outcome."""

from __future__ import annotations

from chat.engines.offline import results_of, use
from chat.engines.outcomes import outcome_of
from chat.engines.protocol import Progress, Reply, Request
from chat.phrases import phrase, say
from chat.untrusted import plain


class GivenEngine:
    """The call always needs an approval: `is_sure` is False."""

    name = ""  # No engine chose the call.

    async def reply(self, request: Request, progress: Progress) -> Reply:
        if results := results_of(request):
            # A click has no language, so the outcome is a phrase that each reader gets in their own language.
            said = phrase("lines", parts=[outcome_of(result.value, is_ok=result.is_ok) for result in results])
            text = say(said, request.language, escape=plain)
            progress.text(text)
            return Reply(content=[{"type": "text", "text": text}], stop_reason="end_turn", phrases={"text": said})
        if request.given is None:
            raise AssertionError("only for turns that a click on a proposal began")
        name, arguments = request.given
        return use(request, name, dict(arguments), is_sure=False)

    async def aclose(self) -> None:
        pass
