"""Wires the conversation into the Leader: its parts, the rights of the dashboard, and the listener that feeds it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User

from chat.broker import Broker
from chat.config import ChatConfig
from chat.desk import Desk
from chat.effects import Effects
from chat.engines.choice import Engines
from chat.ports import Publish, Writes
from chat.runner import Runner
from chat.stalls.service import Stalls
from chat.threads import Threads
from chat.watch import Watch
from dashboard.rights import Right, may, role_of


class _Rights:
    """Implements `chat.ports.Rights`."""

    def may(self, actor: str, right: str) -> bool:
        user = User.objects.filter(username=actor).first()
        return user is not None and may(role_of(user), Right(right))


def make_chat(config: ChatConfig, writes: Writes, watch: Watch, publish: Publish) -> tuple[Desk, Runner, Stalls]:
    """The desk that is asked, the service that runs turns, and the one that brings up what is stuck."""
    threads = Threads()
    rights = _Rights()
    engines = Engines(config, writes=writes, threads=threads)
    broker = Broker(writes=writes, rights=rights, effects=Effects(watch, threads), threads=threads)
    runner = Runner(writes=writes, broker=broker, engines=engines, threads=threads, publish=publish)
    language = settings.LANGUAGE_CODE
    desk = Desk(writes=writes, rights=rights, runner=runner, threads=threads, language=language)
    stalls = Stalls(desk.stall, threads)
    watch.pass_on(stalls)
    return desk, runner, stalls
