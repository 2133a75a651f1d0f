"""The front door for whoever talks or answers: pages, sockets, programs. Sync, on any thread but the Leader's own loop.

What is asked is stored when a function returns; what becomes of it is pushed on the topic `chat:<conversation>`. All
raise `TaskRejected` with a code and the reason in words, `NotFound`, `LeaderUnavailable`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodes.services import ask_chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    conversation_id: str
    turn_id: str = ""


def open_conversation(context: str, *, actor: str, is_fresh: bool = False) -> str:
    """The id of the context's open conversation. `is_fresh`: the present one is closed and a new one begun."""
    return str(ask_chat("open", {"context": context, "actor": actor, "is_fresh": is_fresh})["conversation"])


def say(conversation_id: str, text: str, *, actor: str) -> Accepted:
    """AgentFlow's own words in the answer are in the language of the text."""
    arguments = {"conversation": conversation_id, "text": text, "actor": actor}
    return _accepted(ask_chat("say", arguments))


def stop_turn(turn_id: str, *, actor: str) -> Accepted:
    """Safe to ask twice. What a node has been sent goes on."""
    return _accepted(ask_chat("stop", {"turn": turn_id, "actor": actor}))


def retry_turn(turn_id: str, *, actor: str) -> Accepted:
    """For a turn that failed, was stopped or interrupted. The answer's turn may be a new one."""
    return _accepted(ask_chat("retry", {"turn": turn_id, "actor": actor}))


def answer_approval(approval_id: str, *, is_yes: bool, actor: str) -> Accepted:
    """Codes: "answered" (somebody was faster), "expired", "stale" (the target changed), "forbidden"."""
    return _accepted(ask_chat("answer", {"approval": approval_id, "is_yes": is_yes, "actor": actor}))


def apply_fix(turn_id: str, number: int, *, actor: str) -> Accepted:
    """Asks for a proposal of the analysis in this turn; the answer's turn is a new one that waits for an approval.

    Codes: "asked", "done" (somebody was faster), "stale" (it cannot be done to the task any more), "forbidden".
    """
    return _accepted(ask_chat("fix", {"turn": turn_id, "fix": number, "actor": actor}))


def change_memory(arguments: dict[str, object], *, actor: str) -> None:
    """By a person's hand: `action` ("edit", "revert", "delete", "review") on `file` as it is at `version`; `text` for
    "edit", `to` (a revision) for "revert", `why`. Code "stale": it has been changed meanwhile.
    """
    ask_chat("memory", {**arguments, "actor": actor})


def _accepted(answer: dict[str, str]) -> Accepted:
    return Accepted(conversation_id=answer["conversation"], turn_id=answer["turn"])
