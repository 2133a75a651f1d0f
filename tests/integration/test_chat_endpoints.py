"""What an endpoint says reaches administrators and the log, and what it answers is read as what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat.config import ChatConfig
from chat.engines import claude
from chat.models import Turn
from tests.support.chat import chat_world
from tests.support.leader_store import read
from tests.support.messages_api import HttpError, MessagesApi, Page, Reply, Step, Whole, text, tool_use

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude, "FIRST_DELAY_SECONDS", 0.02)


def config_of(api: MessagesApi, **fields: str) -> ChatConfig:
    return ChatConfig(**{"provider": "anthropic", "base_url": api.url, "api_key": "key-1-secret", **fields})


async def detail_of(turn_id: str) -> str:
    return await read(lambda: Turn.objects.get(id=turn_id).endpoint_error)


async def test_the_endpoints_words_are_for_administrators_and_the_log_without_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = "tools.3: bad \u202ename; key-1-secret and sk-abcdefghijklmnopqrstuv are not allowed"
    script = [HttpError(400, "invalid_request_error", words)]
    async with MessagesApi(script, key="key-1-secret") as api, chat_world(tmp_path, config_of(api)) as world:
        turn = await world.ask("hello")

        shown = "tools.3: bad name; [redacted] and [redacted] are not allowed"
        assert await detail_of(turn["id"]) == shown
        assert shown in caplog.text
        assert turn["problem"] == "refused"
        assert "tools.3" not in json.dumps(turn)
    assert "key-1-secret" not in caplog.text


async def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    api = MessagesApi(models=["claude-sonnet-5-5"], key="key-1-secret")
    async with api, chat_world(tmp_path, ChatConfig()) as world:
        await world.end_chat()
        world.config = config_of(api, model="claude-sonet-5")
        world.start_chat()
        turn = await world.ask("hello")

        assert turn["problem"] == "no-such-model"
        assert "claude-sonet-5" in turn["message"]
        assert await detail_of(turn["id"]) == "model: claude-sonet-5"


async def test_an_answer_in_one_piece_is_an_answer(tmp_path: Path) -> None:
    script = [
        Whole(Reply([text("I look"), tool_use("pause_task", {"task": "t1"})])),
        Whole(Reply([text("it is paused")])),
    ]
    async with MessagesApi(script, key="key-1-secret") as api, chat_world(tmp_path, config_of(api)) as world:
        await world.task("t1", "firmware build")

        turn = await world.ask("暂停 master-1 的编译任务")

        assert [message["text"] for message in turn["messages"]] == ["I look", "it is paused"]
        assert world.master.received == [("pause", "t1")]
        assert turn["usage"]["input"] == 200
        assert api.refusals == []


@pytest.mark.parametrize(
    ("answer", "problem", "tries"),
    [
        (Whole(HttpError(200, "authentication_error", "no key")), "bad-key", 1),
        (Whole(HttpError(200, "invalid_request_error", "no tools")), "refused", 1),
        (Whole(HttpError(200, "overloaded_error", "later")), "overloaded", claude.MAX_TRIES),
        (Page(200, "<html>Sign in</html>"), "bad-endpoint", claude.MAX_TRIES),
        (Page(200, "[" * 100_000), "bad-endpoint", claude.MAX_TRIES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_error_in_one_piece_is_that_error(tmp_path: Path, answer: Step, problem: str, tries: int) -> None:
    async with MessagesApi(lambda _: answer, key="key-1-secret") as api, chat_world(tmp_path, config_of(api)) as world:
        turn = await world.ask("hello")

        assert (turn["state"], turn["problem"], len(api.bodies)) == ("failed", problem, tries)
        assert (await detail_of(turn["id"]))[:20] in ("no key", "no tools", "later", "<html>Sign in</html>", "[" * 20)
