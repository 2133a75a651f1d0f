"""Conversations, tool calls, approvals and the memory. Only the projection's writer thread writes them
(`chat.store`).

Messages of a conversation are only appended. Their blocks are stored exactly as sent, because a model's thinking is
bound to every byte before it.
"""

from __future__ import annotations

import hashlib

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.exact_json import ExactJSONField
from chat.states import RETRIABLE_TURNS, ApprovalState, CallState, FixVerdict, Trigger, TurnState


class Conversation(models.Model):
    """A conversation about one context; each context has at most one that is open."""

    id = models.CharField(primary_key=True, max_length=32)
    project = models.CharField(max_length=200)  # "*" = any
    node = models.CharField(max_length=64)  # "*" = any
    # Messages of an earlier epoch are shown, but no longer sent.
    epoch = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    last_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-last_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "node"], condition=Q(closed_at=None), name="open_conversation")
        ]
        indexes = [models.Index(fields=["closed_at"], name="conversation_by_end")]
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")

    def __str__(self) -> str:
        return f"{self.project}:{self.node}"


class Turn(models.Model):
    """A person's message (or a stall), and everything up to its answer."""

    id = models.CharField(primary_key=True, max_length=32)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    number = models.PositiveIntegerField()  # Within the conversation, from 1.
    trigger = models.CharField(max_length=8, choices=[(str(t), str(t)) for t in Trigger], default=Trigger.PERSON)
    state = models.CharField(max_length=12, choices=[(str(s), str(s)) for s in TurnState], default=TurnState.QUEUED)
    actor = models.CharField(max_length=150, blank=True)  # Its reads and automatic actions need this user's rights.
    language = models.CharField(max_length=10, default="en")  # Language of AgentFlow's own texts in it.
    text = models.TextField()
    alert_id = models.PositiveBigIntegerField(null=True)  # The alert of a turn with trigger `stall`.
    other_tasks = models.JSONField(default=list)  # For trigger `stall`: ids of tasks with the same problem.
    # Set by a click on a fix: the turn makes exactly that call, without an engine.
    fix_of = models.ForeignKey("Analysis", null=True, on_delete=models.SET_NULL, related_name="clicks")
    fix_number = models.PositiveSmallIntegerField(default=0)
    # Has read output or messages of tasks; from then on every action needs an approval.
    has_read_untrusted = models.BooleanField(default=False)
    engine = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=100, blank=True)
    problem = models.CharField(max_length=40, blank=True)  # Code of the reason why it failed.
    # The model's endpoint's own words, without secrets. For administrators: never sent to the page or a program.
    endpoint_error = models.CharField(max_length=600, blank=True)
    message = models.TextField(blank=True)  # The reason as text.
    phrases = models.JSONField(default=dict)  # Of `text` and `message`, if they are AgentFlow's own (`chat.phrases`).
    requests = models.PositiveIntegerField(default=0)
    usage = models.JSONField(default=dict)  # Tokens: input, cacheRead, cacheWrite, output.
    cost_microusd = models.PositiveBigIntegerField(default=0)
    is_cost_partial = models.BooleanField(default=False)  # The cost is a lower limit: a request was cut off.
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["conversation", "number"]
        constraints = [models.UniqueConstraint(fields=["conversation", "number"], name="turn_once")]
        indexes = [
            models.Index(fields=["state"], name="turn_by_state"),
            models.Index(fields=["created_at"], name="turn_by_time"),
        ]
        verbose_name = _("turn")
        verbose_name_plural = _("turns")

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def is_retriable(self) -> bool:
        """False for resolved alerts, and for clicks on fixes: a fix must be clicked again."""
        return self.state in RETRIABLE_TURNS and self.fix_number == 0 and self.problem != "resolved"


class Analysis(models.Model):
    """Why a task was stuck, what may help, and whether it did: one per turn with trigger `stall`.

    Everything that is displayed is stored here, because the alert may be pruned earlier.
    """

    id = models.CharField(primary_key=True, max_length=32)
    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="analysis")
    alert_id = models.PositiveBigIntegerField()
    # The alert's digest when it was analysed; empty = written by an earlier version.
    alert_digest = models.CharField(max_length=16, blank=True)
    task_id = models.CharField(max_length=64)
    node_id = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=16)  # "waiting" or "stalled"
    # Equal for the same problem in any task of the project.
    fingerprint = models.CharField(max_length=32)
    sort = models.CharField(max_length=20, blank=True)  # The rules' category of the cause: "lock", "yes-no" …
    engine = models.CharField(max_length=20)
    cause = models.TextField()  # The model's text, or that of the phrase in the turn's language.
    confidence = models.CharField(max_length=8)
    evidence = models.JSONField(default=list)  # id, kind, quote (hostile text)
    # number, label, why, their phrases, tool, arguments, risk, state (a `FixState`), turn (of the last click)
    fixes = models.JSONField(default=list)
    verdict = models.CharField(max_length=12, choices=[(str(o), str(o)) for o in FixVerdict], default=FixVerdict.NONE)
    verdict_fix = models.PositiveSmallIntegerField(default=0)
    verdict_text = models.TextField(blank=True)
    verdict_at = models.DateTimeField(null=True)
    phrases = models.JSONField(default=dict)  # Of `cause` and `verdictText`.
    # While the effect is watched: start and deadline.
    watched_from = models.DateTimeField(null=True)
    watched_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["verdict"], name="analysis_by_verdict"),
            models.Index(fields=["alert_id"], name="analysis_by_alert"),
        ]
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")

    def __str__(self) -> str:
        return f"{self.task_id}: {self.cause[:60]}"


class Message(models.Model):
    """One message exactly as it was or will be sent. Ids increase within a conversation."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="messages")
    epoch = models.PositiveIntegerField()  # 0: shown, but never sent.
    role = models.CharField(max_length=9)  # "user" or "assistant"
    content = ExactJSONField()  # Blocks, exactly as sent.
    # It has texts of strangers, or answers such: what is written while it is sent may be theirs.
    is_tainted = models.BooleanField(default=False)
    text = models.TextField(blank=True)  # The visible text of an assistant's message.
    phrases = models.JSONField(default=dict)  # The phrase of `text`, unless it answers a person's sentence.
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["conversation", "epoch", "id"], name="message_in_order")]
        verbose_name = _("message")
        verbose_name_plural = _("messages")


class ToolCall(models.Model):
    """One use of a tool. Its id is derived from the turn, the message and the model's id of the call."""

    id = models.CharField(primary_key=True, max_length=32)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="calls")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="calls")
    tool_use_id = models.CharField(max_length=200)
    position = models.PositiveIntegerField()  # Among the calls of its message.
    name = models.CharField(max_length=64)
    arguments = ExactJSONField(default=dict)
    arguments_hash = models.CharField(max_length=64)
    risk = models.CharField(max_length=12, blank=True)
    # Describes the exact action; empty until the tool executor has checked the call.
    summary = models.TextField(blank=True)
    is_sure = models.BooleanField(default=True)  # False: the engine guessed, so it needs an approval.
    state = models.CharField(max_length=12, choices=[(str(s), str(s)) for s in CallState], default=CallState.PROPOSED)
    # User in whose name it ran: the asker or the approver.
    acting = models.CharField(max_length=150, blank=True)
    result = models.TextField(blank=True)  # The result as sent to the engine.
    phrases = models.JSONField(default=dict)  # Of `summary`, and of `result` if it is a refusal.
    is_error = models.BooleanField(default=False)
    is_untrusted = models.BooleanField(default=False)  # The result has texts of strangers.
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["message", "position"]
        indexes = [models.Index(fields=["state"], name="call_by_state")]
        verbose_name = _("tool call")
        verbose_name_plural = _("tool calls")


class Approval(models.Model):
    """Asks a person whether to execute exactly this call while its targets are unchanged."""

    id = models.CharField(primary_key=True, max_length=32)
    call = models.OneToOneField(ToolCall, on_delete=models.CASCADE, related_name="approval")
    right = models.CharField(max_length=20)  # The right that is needed to answer.
    arguments_hash = models.CharField(max_length=64)
    target_version = models.TextField(blank=True)
    state = models.CharField(
        max_length=12, choices=[(str(s), str(s)) for s in ApprovalState], default=ApprovalState.WAITING
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_by = models.CharField(max_length=150, blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state", "expires_at"], name="approval_open")]
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")

    @property
    def digest(self) -> str:
        """Of the call and its targets: what a person sees and answers."""
        return hashlib.sha256(f"{self.arguments_hash} {self.target_version}".encode()).hexdigest()[:16]


class EngineStatus(models.Model):
    """The engine in use, and why. One row, shared by all processes."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=20)
    model = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=20, blank=True)  # Why the offline engine is used: "no-key", "daily-limit" …

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_engine_status")]


class MemoryFile(models.Model):
    """A file of the agent's memory. Deleted files and their revisions are kept, so that they can be restored."""

    scope = models.CharField(max_length=200)  # "global", "project/<name>", "node/<name>"
    path = models.CharField(max_length=200)
    content = models.TextField(blank=True)
    size_bytes = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)  # Version of the newest revision; an edit names its base version.
    # Needs a review: a model wrote it after reading task output.
    needs_review = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["path", "id"]
        constraints = [
            models.UniqueConstraint(fields=["path"], condition=Q(deleted_at=None), name="one_memory_file_at_a_path")
        ]
        indexes = [
            models.Index(fields=["scope", "path"], name="memory_by_scope"),
            models.Index(fields=["deleted_at"], name="memory_by_deletion"),
        ]
        verbose_name = _("memory file")
        verbose_name_plural = _("memory files")

    def __str__(self) -> str:
        return self.path


class MemoryRevision(models.Model):
    """One change of a memory file: who, when, why, and the complete text after it. Immutable."""

    file = models.ForeignKey(MemoryFile, on_delete=models.CASCADE, related_name="revisions")
    version = models.PositiveIntegerField()
    action = models.CharField(max_length=12)  # "create", "edit", "rename", "delete", "revert", "review"
    path = models.CharField(max_length=200)
    content = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)  # User in whose name it was changed; empty = AgentFlow itself.
    engine = models.CharField(max_length=20, blank=True)  # Engine that wrote it; empty = the user.
    conversation_id = models.CharField(max_length=32, blank=True)
    turn_id = models.CharField(max_length=32, blank=True)
    why = models.CharField(max_length=500, blank=True)
    phrases = models.JSONField(default=dict)  # The phrase of `why`, if AgentFlow made the change automatically.
    is_tainted = models.BooleanField(default=False)  # The turn had read untrusted text.
    at = models.DateTimeField()

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["file", "version"], name="memory_revision_once")]
        verbose_name = _("memory revision")
        verbose_name_plural = _("memory revisions")

    def __str__(self) -> str:
        return f"{self.path} #{self.version}"


class ContextSnapshot(models.Model):
    """One request to a model's endpoint, exactly as sent; only the newest few of each conversation are kept."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="snapshots")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="snapshots")
    request = models.PositiveIntegerField()  # Within the turn, from 1.
    model = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    usage = models.JSONField(default=dict)  # As `Turn.usage`; empty if the request was cut off.
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["conversation", "id"], name="snapshot_in_order")]
        verbose_name = _("sent request")
        verbose_name_plural = _("sent requests")
