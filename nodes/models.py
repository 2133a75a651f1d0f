"""The Leader's store. One thread writes its hot tables (all but `NodeToken`), in `nodes.leader.projection`.

Times named `*_at` use this machine's clock; `*_ms` are Unix milliseconds on the origin's clock: shown, never compared.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from enum import StrEnum

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from nodes.domain.access import REFUSALS
from nodes.domain.states import CommandState, NodeState, Role, TaskHealth, TaskState


def _choices(enum: type[StrEnum]) -> list[tuple[str, str]]:
    return [(str(member), str(member)) for member in enum]


def new_store_id() -> str:
    return uuid.uuid4().hex


class Store(models.Model):
    """The identity of this database; one row. In a different or restored database every mark has another meaning."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    store_id = models.CharField(max_length=32, default=new_store_id)
    # The Leader's epoch, also stored in a file outside this database. If the two differ, this is not the database that
    # was used last.
    epoch = models.PositiveBigIntegerField(default=0)
    # Highest feed number ever assigned; kept when the feed is pruned, so that a cursor is never reused.
    feed_seq = models.BigIntegerField(default=0)
    # The feed and the output have been pruned up to here: a reader with an older cursor must take a snapshot.
    feed_floor = models.BigIntegerField(default=0)
    logs_floor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_store")]


class LeaderTerm(models.Model):
    """Which process may write this database; one row, changed only by `nodes.leader.projection.term`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    # Only grows; every Leader that starts takes a new one.
    term = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=32, blank=True)  # A random id of its process; empty = the term was given up.
    address = models.CharField(max_length=255, blank=True)  # Where the holder runs, for people.
    # Changes every two seconds or more often while its holder can write.
    beat = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_leader_term")]


class Node(models.Model):
    id = models.CharField(primary_key=True, max_length=64)  # The node's name; unique in the cluster.
    role = models.CharField(max_length=8, choices=_choices(Role))
    parent = models.CharField(max_length=64, blank=True)  # Node id; empty = the Leader itself.
    state = models.CharField(max_length=8, choices=_choices(NodeState), default=NodeState.OFFLINE)
    state_changed_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(
        null=True
    )  # When anything was last received; written at state changes and with metrics.
    registered_at = models.DateTimeField(auto_now_add=True)
    capabilities = models.JSONField(default=dict)  # As messages carry them: nodes.leader.projection.node_messages
    slots = models.PositiveIntegerField(default=0)
    metrics = models.JSONField(default=dict)  # The latest values, as messages carry them; empty = none yet.
    link_rtt_ms = models.FloatField(default=0)  # 0 = unknown
    address = models.CharField(max_length=255, blank=True)
    is_base_client = models.BooleanField(default=False)  # Supports only the base messages.
    # Out of lists and choices, kept for the history of its tasks; None = in use (nodes.leader.projection.retirement).
    retired_at = models.DateTimeField(null=True)
    # Of an Edge with a key (nodes.leader.projection.authority): its public key, in hexadecimal, and its newest ticket.
    key = models.CharField(max_length=64, blank=True)
    key_issued_at = models.BigIntegerField(default=0)  # Unix seconds
    key_proof = models.CharField(max_length=128, blank=True)  # The cluster's signature on the key, for its next token.
    ticket_counter = models.PositiveBigIntegerField(default=0)
    # Of the token that it last used, Unix seconds; 0 = never expires, or not known.
    token_issued_at = models.BigIntegerField(default=0)
    token_expires_at = models.BigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0)  # Feed number of the last change.

    class Meta:
        ordering = ["id"]
        verbose_name = _("node")
        verbose_name_plural = _("nodes")

    def __str__(self) -> str:
        return self.id


class Task(models.Model):
    """The request. Its current state is that of its latest attempt."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=200)
    project = models.CharField(max_length=200, blank=True)
    target_node = models.CharField(max_length=64, blank=True)  # The requested node; empty = any.
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="tasks", db_constraint=False)
    spec = models.JSONField(default=dict)  # nodes.domain.commands.TaskSpec
    attempt = models.PositiveIntegerField(default=1)  # Number of the latest attempt.
    state = models.CharField(max_length=12, choices=_choices(TaskState), default=TaskState.PENDING)
    health = models.CharField(max_length=8, choices=_choices(TaskHealth), default=TaskHealth.HEALTHY)
    pending_reason = models.CharField(max_length=200, blank=True)  # Why it is still waiting, for a person.
    pending_parts = models.JSONField(null=True)  # The same as data (nodes.domain.phrases); None = only the text exists.
    progress = models.FloatField(null=True)  # 0..1
    message = models.TextField(blank=True)
    message_parts = models.JSONField(null=True)
    exit_code = models.IntegerField(null=True)
    created_by = models.CharField(max_length=150, blank=True)  # User name; empty when a node reported the task.
    created_at = models.DateTimeField()
    # On the origin's clock, if the node reported it.
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    accepts_input = models.BooleanField(default=False)
    partial_pause = models.BooleanField(default=False)
    suppressed_lines = models.PositiveBigIntegerField(default=0)
    redacted = models.PositiveBigIntegerField(default=0)
    withheld_lines = models.PositiveBigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0)  # Feed number of the last change.

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["state", "created_at"], name="task_by_state"),
            models.Index(fields=["-created_at"], name="task_newest"),
        ]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")

    def __str__(self) -> str:
        return self.name


class Attempt(models.Model):
    """One try at a task, on one node."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="attempts", db_constraint=False)
    state = models.CharField(max_length=12, choices=_choices(TaskState), default=TaskState.PENDING)
    message = models.TextField(blank=True)
    message_parts = models.JSONField(null=True)
    exit_code = models.IntegerField(null=True)
    # Its states journal and the highest entry there that set its state: replayed entries up to it only add history.
    journal_id = models.CharField(max_length=64, blank=True)
    state_seq = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    started_ms = models.BigIntegerField(default=0)
    ended_ms = models.BigIntegerField(default=0)
    cpu_seconds = models.FloatField(default=0)
    peak_memory_bytes = models.BigIntegerField(default=0)
    paused_seconds = models.FloatField(default=0)
    # What its node ran (nodes.domain.commands.ResolvedCommand); None = it did not say.
    resolved = models.JSONField(null=True)
    suppressed_lines = models.PositiveBigIntegerField(default=0)
    redacted = models.PositiveBigIntegerField(default=0)
    withheld_lines = models.PositiveBigIntegerField(default=0)
    pid = models.PositiveIntegerField(default=0)
    last_line = models.PositiveBigIntegerField(default=0)  # Highest line number stored.
    is_log_pruned = models.BooleanField(default=False)  # Its lines were removed to make room.

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="attempt_once")]
        indexes = [
            models.Index(fields=["node", "state"], name="attempt_by_node"),
            models.Index(fields=["-created_at"], name="attempt_newest"),
            models.Index(
                fields=["ended_at", "id"], condition=Q(is_log_pruned=False, last_line__gt=0), name="attempt_with_log"
            ),
        ]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return f"{self.task_id} #{self.number}"


class Command(models.Model):
    id = models.CharField(primary_key=True, max_length=64)  # Idempotency key on the wire.
    kind = models.CharField(max_length=8)  # "start" or a nodes.domain.states.Action
    task = models.ForeignKey(Task, null=True, on_delete=models.CASCADE, related_name="commands")
    attempt = models.PositiveIntegerField(default=1)
    node = models.CharField(max_length=64)
    state = models.CharField(max_length=9, choices=_choices(CommandState), default=CommandState.PENDING)
    code = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    message_parts = models.JSONField(null=True)
    ref = models.CharField(max_length=64, blank=True)  # The client's own reference for its request.
    actor = models.CharField(max_length=150, blank=True)
    body = models.BinaryField(default=bytes)  # Encoded LeaderCommand, to send it again.
    # The node's journal in which it confirmed the command; empty = not confirmed, or the node has no journal.
    journal_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["node", "state"], name="command_by_node"),
            models.Index(fields=["created_at"], name="command_by_age"),
            models.Index(fields=["state", "changed_at"], name="command_by_state"),
        ]
        verbose_name = _("command")
        verbose_name_plural = _("commands")

    def __str__(self) -> str:
        return f"{self.kind} {self.task_id}"


class Journal(models.Model):
    """High-water mark of one journal: everything up to `seq` is committed here without a hole."""

    id = models.CharField(primary_key=True, max_length=64)
    node_id = models.CharField(max_length=64)
    lane = models.CharField(max_length=8)
    seq = models.PositiveBigIntegerField(default=0)
    # Of an Edge with a key: an entry with its signature was accepted, and the highest number that it has signed for.
    is_signed = models.BooleanField(default=False)
    signed_head = models.PositiveBigIntegerField(default=0)


class Event(models.Model):
    """One journaled entry, stored once: the history on a task's page, and the proof that nothing was lost."""

    journal_id = models.CharField(max_length=64)
    seq = models.PositiveBigIntegerField()
    node_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)  # "task", "alert", "logs", "result", "gap", "dead"
    task_id = models.CharField(max_length=64, blank=True)
    origin_ms = models.BigIntegerField(default=0)
    received_at = models.DateTimeField()
    detail = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["journal_id", "seq"], name="event_once")]
        indexes = [
            models.Index(fields=["task_id", "id"], name="event_by_task"),
            models.Index(fields=["node_id", "id"], condition=Q(kind="gap"), name="event_gaps"),
        ]


class LogLine(models.Model):
    """One line of output.

    `id` = feed number of its batch << 10 | index within the batch, so the primary key is also the cursor.
    """

    id = models.BigIntegerField(primary_key=True)
    node_id = models.CharField(max_length=64)
    task_id = models.CharField(max_length=64)
    attempt = models.PositiveIntegerField()
    number = models.PositiveBigIntegerField()  # In the attempt's output, from 1.
    at_ms = models.BigIntegerField()
    level = models.PositiveSmallIntegerField()  # 10 debug, 20 info, 30 warning, 40 error
    stream = models.PositiveSmallIntegerField()  # 1 stdout, 2 stderr, 3 system
    text = models.TextField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["task_id", "attempt", "id"], name="log_by_task"),
        ]
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")

    def __str__(self) -> str:
        return self.text[:80]


class FeedEntry(models.Model):
    """One message as sent to every dashboard, encoded once. `id` is the cursor."""

    id = models.BigIntegerField(primary_key=True)
    topics = models.CharField(max_length=255)  # Space-separated.
    text = models.TextField()  # The JSON object, ready to send.
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class Alert(models.Model):
    """Something that needs a person's attention: a stalled task, an offline node, a duplicate node name."""

    level = models.CharField(max_length=8)  # "error" or "warning"
    kind = models.CharField(max_length=32)
    node_id = models.CharField(max_length=64, blank=True)
    task_id = models.CharField(max_length=64, blank=True)
    # The task's name when the alert was opened: the task may be removed before the alert.
    task_name = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveIntegerField(default=0)  # 0 = not about a task, or written by an earlier version.
    message = models.TextField()
    message_parts = models.JSONField(null=True)
    evidence = models.JSONField(default=list)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)  # A person is handling it; the alert stays open.
    acknowledged_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [models.Index(fields=["resolved_at", "-opened_at"], name="alert_open")]

    @property
    def digest(self) -> str:
        """Of everything that a renewal changes: what a person sees and answers."""
        seen = json.dumps([self.level, self.kind, self.message, self.evidence], sort_keys=True)
        return hashlib.sha256(seen.encode()).hexdigest()[:16]


class DeadLetter(models.Model):
    """An entry that could not be applied, with its bytes; later entries are not blocked."""

    node_id = models.CharField(max_length=64)
    journal_id = models.CharField(max_length=64, blank=True)
    seq = models.PositiveBigIntegerField(default=0)
    code = models.CharField(max_length=40)
    message = models.TextField()
    body = models.BinaryField()
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]


class NodeToken(models.Model):
    """A node token that was issued or revoked here.

    Tokens are signed: one that is missing from this table still opens a stream, a revoked one never does.
    """

    token_id = models.CharField(primary_key=True, max_length=64)
    node_id = models.CharField(max_length=64)
    role = models.CharField(max_length=8, choices=_choices(Role))
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    public_key = models.CharField(max_length=64, blank=True)  # An Edge's own key, in hexadecimal.
    last_used_at = models.DateTimeField(null=True)  # To the hour.
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["node_id", "-issued_at"]
        verbose_name = _("node token")
        verbose_name_plural = _("node tokens")

    def __str__(self) -> str:
        return f"{self.role} {self.node_id}"


class AuditEntry(models.Model):
    """Who did or tried what, from where, with what result. `nodes.audit` creates every row; none is changed later,
    except that refused attempts of one source within a minute are counted in one row.

    Kept after what it is about is deleted. Each app names its own kinds.
    """

    at = models.DateTimeField(_("time"))
    kind = models.CharField(_("kind"), max_length=16)
    actor = models.CharField(_("user"), max_length=150, blank=True)  # Empty = AgentFlow itself, or an unknown name.
    address = models.CharField(_("address"), max_length=64, blank=True)  # Empty = not known, or many.
    result = models.CharField(_("result"), max_length=16, blank=True)
    count = models.PositiveIntegerField(pgettext_lazy("in the audit", "attempts"), default=1)
    # Empty unless it is about a conversation.
    conversation_id = models.CharField(max_length=32, blank=True)
    turn_id = models.CharField(max_length=32, blank=True)
    call_id = models.CharField(max_length=32, blank=True)
    tool = models.CharField(_("tool"), max_length=64, blank=True)
    detail = models.JSONField(_("details"), default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["call_id"], name="audit_entry_by_call"),
            models.Index(fields=["actor", "kind"], name="audit_entry_by_actor"),
            models.Index(fields=["address", "kind"], name="audit_entry_by_address"),
            models.Index(fields=["id"], condition=Q(result__in=tuple(map(str, REFUSALS))), name="audit_entry_refusals"),
        ]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")

    def __str__(self) -> str:
        return f"{self.kind} {self.tool or self.result}"
