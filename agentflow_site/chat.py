"""Wires the conversation into the Leader: its parts, the rights of the dashboard, and the listener that feeds it."""

from __future__ import annotations

from django.contrib.auth.models import User

from chat.broker import Broker
from chat.config import ChatConfig
from chat.desk import Desk
from chat.effects import Effects
from chat.engines.choice import Engines
from chat.ports import Publish
from chat.runner import Runner
from chat.threads import Threads
from chat.watch import Watch
from dashboard.rights import Right, may, role_of
from nodes.projection.projection import Projection


class _Rights:
    """Implements `chat.ports.Rights`."""

    def may(self, actor: str, right: str) -> bool:
        user = User.objects.filter(username=actor).first()
        return user is not None and may(role_of(user), Right(right))


def make_chat(config: ChatConfig, projection: Projection, watch: Watch, publish: Publish) -> tuple[Desk, Runner]:
    """The desk that is asked, and the service that runs turns."""
    threads = Threads()
    rights = _Rights()
    engines = Engines(config, writes=projection, threads=threads)
    broker = Broker(writes=projection, rights=rights, effects=Effects(watch, threads), threads=threads)
    runner = Runner(writes=projection, broker=broker, engines=engines, threads=threads, publish=publish)
    return Desk(writes=projection, rights=rights, runner=runner, threads=threads), runner
