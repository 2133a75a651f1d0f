"""How the conversations' topics are spelled, in this one place. docs/websocket.md lists them."""

from __future__ import annotations

# What waits for a person, and what starts and ends, in any conversation.
CHATS = "chats"


def chat(conversation_id: str) -> str:
    """One conversation."""
    return f"chat:{conversation_id}"
