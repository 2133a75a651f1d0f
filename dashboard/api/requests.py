"""What clients send, checked: types as JSON has them, lengths bounded, unknown fields refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty

from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action, LogLevel, TaskState

MAX_ID = 64
MAX_NAME = 200
MAX_TEXT = 64 << 10
MAX_PAGE = 500
MAX_SECONDS = 366 * 86_400.0
MAX_INTEGER = (1 << 63) - 1
LAST_MOMENT_MS = 253_402_300_799_000  # The year 9999: no date lies beyond.


class TextField(serializers.CharField):
    """Text as it was sent; a number is not text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "allow_blank": True, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    """A JSON number; the text "nan" is not one."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a misspelt option must not silently be left out."""

    def run_validation(self, data: Any = empty) -> Any:
        unknown = [name for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        if unknown:
            raise ValidationError({str(unknown[0])[:MAX_ID]: [ErrorDetail("There is no such field.", "unknown-field")]})
        return super().run_validation(data)


class NewTask(StrictSerializer):
    """A task to start; exactly one of namedTask, argv and shellLine."""

    project = TextField(max_length=MAX_NAME, required=False)
    node = TextField(max_length=MAX_ID, required=False)
    name = TextField(max_length=MAX_NAME, required=False)
    namedTask = TextField(max_length=MAX_NAME, required=False, source="named_task")
    argv = serializers.ListField(child=TextField(max_length=MAX_TEXT), max_length=1000, required=False)
    shellLine = TextField(max_length=MAX_TEXT, required=False, source="shell_line")
    workingDirectory = TextField(max_length=4096, required=False, source="working_directory")
    environment = serializers.DictField(child=TextField(max_length=MAX_TEXT), required=False)
    timeoutSeconds = NumberField(min_value=0, max_value=MAX_SECONDS, required=False, source="timeout_seconds")
    stallAfterSeconds = NumberField(min_value=0, max_value=MAX_SECONDS, required=False, source="stall_after_seconds")
    closeInput = FlagField(required=False, source="close_input")

    def validate_environment(self, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 200 or any(not name or "=" in name or "\0" in name for name in value):
            raise ValidationError("At most 200 variables, with names that have no '='.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(1 for way in ("named_task", "argv", "shell_line") if attrs.get(way)) != 1:
            raise ValidationError("Give exactly one of namedTask, argv and shellLine.")
        return attrs

    def spec(self) -> TaskSpec:
        fields = dict(self.validated_data)
        return TaskSpec(**{**fields, "argv": tuple(fields.get("argv", ()))})


class ControlRequest(StrictSerializer):
    action = serializers.ChoiceField(choices=[str(action) for action in Action])
    input = TextField(max_length=MAX_TEXT, required=False)
    closeInput = FlagField(required=False, source="close_input")
    reason = TextField(max_length=500, required=False)
    ref = TextField(max_length=MAX_ID, required=False)


class NoQuery(StrictSerializer):
    """A route without parameters."""


class TaskQuery(StrictSerializer):
    state = serializers.MultipleChoiceField(choices=[str(state) for state in TaskState], required=False)
    node = TextField(max_length=MAX_ID, required=False)
    project = TextField(max_length=MAX_NAME, required=False)
    text = TextField(max_length=MAX_NAME, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=100)
    page = serializers.IntegerField(min_value=1, max_value=10_000, default=1)


class AlertQuery(StrictSerializer):
    open = serializers.BooleanField(default=False)
    node = TextField(max_length=MAX_ID, required=False)
    task = TextField(max_length=MAX_ID, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=100)
    page = serializers.IntegerField(min_value=1, max_value=10_000, default=1)


class LogQuery(StrictSerializer):
    attempt = serializers.IntegerField(min_value=1, max_value=1 << 31, required=False)
    after = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=5000, default=1000)
    level = serializers.ChoiceField(choices=[str(level) for level in LogLevel], required=False)


class MomentField(serializers.IntegerField):
    """Unix milliseconds, as every time in a message."""

    def to_internal_value(self, data: Any) -> Any:
        milliseconds = super().to_internal_value(data)
        if not 0 <= milliseconds <= LAST_MOMENT_MS:
            self.fail("invalid")
        return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


class HistoryQuery(StrictSerializer):
    node = TextField(max_length=MAX_ID, required=False)
    state = serializers.ChoiceField(choices=[str(state) for state in TaskState], required=False)
    project = TextField(max_length=MAX_NAME, required=False)
    text = TextField(max_length=MAX_NAME, required=False)
    since = MomentField(required=False)
    until = MomentField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)
    page = serializers.IntegerField(min_value=1, max_value=10_000, default=1)
