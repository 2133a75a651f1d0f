"""One short conversation with the real model. Skipped without a key.

AGENTFLOW_SMOKE_API_KEY=… pytest tests/e2e/test_chat_smoke.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chat.config import ChatConfig
from tests.support.chat import chat_world

KEY = os.environ.get("AGENTFLOW_SMOKE_API_KEY", "")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not KEY, reason="AGENTFLOW_SMOKE_API_KEY is not set"),
]


async def test_the_real_model_pauses_the_task_and_says_so(tmp_path: Path) -> None:
    config = ChatConfig(provider="anthropic", api_key=KEY, daily_limit_usd=0.5)
    async with chat_world(tmp_path, config) as world:
        await world.task("t1", "firmware build")
        turn = await world.settled(await world.say("暂停 master-1 的编译任务"), "done", "failed", "waiting")

        assert turn["state"] == "done", turn
        assert world.master.received == [("pause", "t1")]
        assert turn["messages"][-1]["text"]
