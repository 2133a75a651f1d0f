"""The engine of a turn that a click on a fix started: makes exactly that call and reports its outcome. No model."""

from __future__ import annotations

from chat.engines.offline import results_of, use
from chat.engines.outcomes import outcome_of
from chat.engines.protocol import Progress, Reply, Request
from chat.phrases import phrase, render
from chat.untrusted import plain


class GivenEngine:
    """The call always needs an approval: `is_sure` is False."""

    name = ""  # No engine chose the call.

    async def reply(self, request: Request, progress: Progress) -> Reply:
        if results := results_of(request):
            # A click has no language, so the outcome is a phrase: each reader gets it in their own language.
            outcome = phrase("lines", parts=[outcome_of(result.value, is_ok=result.is_ok) for result in results])
            text = render(outcome, request.language, escape=plain)
            progress.text(text)
            return Reply(content=[{"type": "text", "text": text}], stop_reason="end_turn", phrases={"text": outcome})
        if request.given is None:
            raise AssertionError("only for turns that a click on a fix started")
        name, arguments = request.given
        return use(request, name, dict(arguments), is_sure=False)

    async def aclose(self) -> None:
        pass
