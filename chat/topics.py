"""The topics of conversations. docs/websocket.md lists them."""

from __future__ import annotations

# Approvals, starts and ends in any conversation.
CHATS = "chats"


def chat(conversation_id: str) -> str:
    """The topic of one conversation."""
    return f"chat:{conversation_id}"
