"""Conversion of single fields: enums, numbers, text. Bad values raise `ProtocolViolation` with the field's name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from nodes.domain.states import Action, CommandState, LogLevel, LogStream, TaskHealth, TaskState
from nodes.errors import ProtocolViolation
from nodes.stream.wire.v1 import node_sync_pb2 as pb

Word = TypeVar("Word")
Number = TypeVar("Number", bound=int)


def _reversed(table: Mapping[Number, Word]) -> dict[Word, Number]:
    return {word: number for number, word in table.items()}


TASK_STATES = {
    pb.TASK_STATE_PENDING: TaskState.PENDING,
    pb.TASK_STATE_DISPATCHED: TaskState.DISPATCHED,
    pb.TASK_STATE_RUNNING: TaskState.RUNNING,
    pb.TASK_STATE_PAUSED: TaskState.PAUSED,
    pb.TASK_STATE_SUCCEEDED: TaskState.SUCCEEDED,
    pb.TASK_STATE_FAILED: TaskState.FAILED,
    pb.TASK_STATE_CANCELLED: TaskState.CANCELLED,
    pb.TASK_STATE_TIMED_OUT: TaskState.TIMED_OUT,
    pb.TASK_STATE_LOST: TaskState.LOST,
}
TASK_STATE_NUMBERS = _reversed(TASK_STATES)
VERDICTS = {
    pb.STALL_VERDICT_QUIET: TaskHealth.QUIET,
    pb.STALL_VERDICT_WAITING_FOR_INPUT: TaskHealth.WAITING,
    pb.STALL_VERDICT_STALLED: TaskHealth.STALLED,
    pb.STALL_VERDICT_RECOVERED: TaskHealth.HEALTHY,
}
VERDICT_NUMBERS = _reversed(VERDICTS)
LOG_LEVELS = {
    pb.LOG_LEVEL_DEBUG: LogLevel.DEBUG,
    pb.LOG_LEVEL_INFO: LogLevel.INFO,
    pb.LOG_LEVEL_WARNING: LogLevel.WARNING,
    pb.LOG_LEVEL_ERROR: LogLevel.ERROR,
}
LOG_LEVEL_NUMBERS = _reversed(LOG_LEVELS)
LOG_STREAMS = {
    pb.LOG_STREAM_STDOUT: LogStream.STDOUT,
    pb.LOG_STREAM_STDERR: LogStream.STDERR,
    pb.LOG_STREAM_SYSTEM: LogStream.SYSTEM,
}
LOG_STREAM_NUMBERS = _reversed(LOG_STREAMS)
OUTCOMES = {
    pb.COMMAND_OUTCOME_ACKED: CommandState.ACKED,
    pb.COMMAND_OUTCOME_SUCCEEDED: CommandState.SUCCEEDED,
    pb.COMMAND_OUTCOME_FAILED: CommandState.FAILED,
    pb.COMMAND_OUTCOME_EXPIRED: CommandState.EXPIRED,
    pb.COMMAND_OUTCOME_UNKNOWN: CommandState.UNKNOWN,
}
OUTCOME_NUMBERS = _reversed(OUTCOMES)
ACTIONS = {
    pb.ControlSignal.ACTION_PAUSE: Action.PAUSE,
    pb.ControlSignal.ACTION_RESUME: Action.RESUME,
    pb.ControlSignal.ACTION_CANCEL: Action.CANCEL,
    pb.ControlSignal.ACTION_INPUT: Action.INPUT,
}
ACTION_NUMBERS = _reversed(ACTIONS)
# By the enum of the domain: its numbers on the wire, and the reverse.
ENUMS: Mapping[type, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
    TaskState: (TASK_STATE_NUMBERS, TASK_STATES),
    TaskHealth: (VERDICT_NUMBERS, VERDICTS),
    CommandState: (OUTCOME_NUMBERS, OUTCOMES),
    Action: (ACTION_NUMBERS, ACTIONS),
}


def known(table: Mapping[Number, Word], number: Number, field: str) -> Word:
    """The domain value for an enum number. Raises `ProtocolViolation` for a number that this version does not know."""
    try:
        return table[number]
    except KeyError:
        raise ProtocolViolation(f"{field}: unknown value {number}") from None


# No measurement is larger. PostgreSQL returns a larger one within JSON as an integer of more than 64 bits, which no
# message can hold.
MOST = 1e18


def finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise ProtocolViolation(f"{field}: {value} is not a number")
    if abs(value) > MOST:
        raise ProtocolViolation(f"{field}: {value} is too large")
    return value


def not_negative(value: float, field: str) -> float:
    if finite(value, field) < 0:
        raise ProtocolViolation(f"{field}: {value} is below zero")
    return value


def required(value: str, field: str) -> str:
    if not value:
        raise ProtocolViolation(f"{field}: is empty")
    return value


def text(value: str) -> str:
    """Makes text valid UTF-8 for the wire: file names and arguments may contain lone surrogates."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
