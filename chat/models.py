"""What was said, asked for, allowed and done. Written by the projection's writer thread alone (`chat.store`).

A conversation's messages are only ever added to: the blocks stand here as they went over the wire, for a model's
thinking is bound to every byte before it.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.states import RETRIABLE_TURNS, ApprovalState, CallState, FixVerdict, Trigger, TurnState


class Conversation(models.Model):
    """About one context; one of them at a time is open for each."""

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
    """What one person said (or one stall brought up), and everything until it was answered."""

    id = models.CharField(primary_key=True, max_length=32)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    number = models.PositiveIntegerField()  # In the conversation, from 1.
    trigger = models.CharField(max_length=8, choices=[(str(t), str(t)) for t in Trigger], default=Trigger.PERSON)
    state = models.CharField(max_length=12, choices=[(str(s), str(s)) for s in TurnState], default=TurnState.QUEUED)
    actor = models.CharField(max_length=150, blank=True)  # Whose rights its reads and its unasked actions need.
    language = models.CharField(max_length=10, default="en")  # Of what AgentFlow itself says in it.
    text = models.TextField()
    alert_id = models.PositiveBigIntegerField(null=True)  # Of a stall's turn: what it is about.
    other_tasks = models.JSONField(default=list)  # Of a stall's turn: ids of tasks with the same trouble.
    # Of a click on a proposal: exactly that call, and no engine is asked.
    fix_of = models.ForeignKey("Analysis", null=True, on_delete=models.SET_NULL, related_name="clicks")
    fix_number = models.PositiveSmallIntegerField(default=0)
    # It has seen log lines or messages of tasks: from then on nothing is done unasked.
    has_read_untrusted = models.BooleanField(default=False)
    engine = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=100, blank=True)
    problem = models.CharField(max_length=40, blank=True)  # Why it failed, for programs.
    message = models.TextField(blank=True)  # The same for a person.
    phrases = models.JSONField(default=dict)  # Of `text` and `message`, where AgentFlow says them (`chat.phrases`).
    requests = models.PositiveIntegerField(default=0)
    usage = models.JSONField(default=dict)  # Tokens: input, cacheRead, cacheWrite, output.
    cost_microusd = models.PositiveBigIntegerField(default=0)
    is_cost_partial = models.BooleanField(default=False)  # A request was cut off: it cost at least this.
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
        """Not a click on a proposal: that must be chosen again, for it must still fit the task. Nor what is over."""
        return self.state in RETRIABLE_TURNS and self.fix_number == 0 and self.problem != "resolved"


class Analysis(models.Model):
    """Why a task did not get on, what may help, and whether it did: one for each stall's turn.

    The alert may be pruned before it, so everything that is shown stands here.
    """

    id = models.CharField(primary_key=True, max_length=32)
    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="analysis")
    alert_id = models.PositiveBigIntegerField()
    task_id = models.CharField(max_length=64)
    node_id = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=16)  # "waiting" or "stalled"
    # Of the same trouble, in whatever task of the project.
    fingerprint = models.CharField(max_length=32)
    sort = models.CharField(max_length=20, blank=True)  # What the rules call the cause: "lock", "yes-no" …
    engine = models.CharField(max_length=20)
    cause = models.TextField()  # A model's words, or those of its phrase in the turn's language.
    confidence = models.CharField(max_length=8)
    evidence = models.JSONField(default=list)  # id, kind, quote (hostile text)
    # number, label, why, their phrases, tool, arguments, risk, state (a `FixState`), turn (of the last click)
    fixes = models.JSONField(default=list)
    verdict = models.CharField(max_length=12, choices=[(str(o), str(o)) for o in FixVerdict], default=FixVerdict.NONE)
    verdict_fix = models.PositiveSmallIntegerField(default=0)
    verdict_text = models.TextField(blank=True)
    verdict_at = models.DateTimeField(null=True)
    phrases = models.JSONField(default=dict)  # Of `cause` and `verdictText`.
    # While it is watched: since when, and when it is judged in any case.
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
    """One message as it was or will be sent. Ids grow within a conversation."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="messages")
    epoch = models.PositiveIntegerField()  # 0: shown, and never sent.
    role = models.CharField(max_length=9)  # "user" or "assistant"
    content = models.JSONField()  # Blocks, verbatim.
    text = models.TextField(blank=True)  # Of an assistant's message, what a person sees.
    phrases = models.JSONField(default=dict)  # Of `text`, where nobody's sentence is answered.
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["conversation", "epoch", "id"], name="message_in_order")]
        verbose_name = _("message")
        verbose_name_plural = _("messages")


class ToolCall(models.Model):
    """One use of a tool. Its id is made of the turn and the model's own id for the call."""

    id = models.CharField(primary_key=True, max_length=32)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="calls")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="calls")
    tool_use_id = models.CharField(max_length=200)
    position = models.PositiveIntegerField()  # Among the message's calls.
    name = models.CharField(max_length=64)
    arguments = models.JSONField(default=dict)
    arguments_hash = models.CharField(max_length=64)
    risk = models.CharField(max_length=12, blank=True)
    # The exact action in words; empty until the broker has looked at it.
    summary = models.TextField(blank=True)
    is_sure = models.BooleanField(default=True)  # False: the engine guessed, so a person decides.
    state = models.CharField(max_length=12, choices=[(str(s), str(s)) for s in CallState], default=CallState.PROPOSED)
    # Who it was done for: the asker, or the one who approved.
    acting = models.CharField(max_length=150, blank=True)
    result = models.TextField(blank=True)  # As the engine gets it.
    phrases = models.JSONField(default=dict)  # Of `summary`, and of `result` where it is a refusal.
    is_error = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["message", "position"]
        indexes = [models.Index(fields=["state"], name="call_by_state")]
        verbose_name = _("tool call")
        verbose_name_plural = _("tool calls")


class Approval(models.Model):
    """A question to a person: exactly this call, with exactly these arguments, while its targets are as they were."""

    id = models.CharField(primary_key=True, max_length=32)
    call = models.OneToOneField(ToolCall, on_delete=models.CASCADE, related_name="approval")
    right = models.CharField(max_length=20)  # What it takes to answer.
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


class Audit(models.Model):
    """Every proposal, approval, refusal and effect. Never changed; survives its conversation."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=12)
    actor = models.CharField(max_length=150, blank=True)  # Who proposed, answered or acted; empty = AgentFlow itself.
    conversation_id = models.CharField(max_length=32)
    turn_id = models.CharField(max_length=32)
    call_id = models.CharField(max_length=32)
    tool = models.CharField(max_length=64)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["call_id"], name="audit_by_call")]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")

    def __str__(self) -> str:
        return f"{self.kind} {self.tool}"


class EngineStatus(models.Model):
    """Which engine the Leader uses now and why; one row, for every process that shows it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=20)
    model = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=20, blank=True)  # Why it is the offline one: "no-key", "daily-limit" …

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_engine_status")]


class MemoryFile(models.Model):
    """One remembered text. A deleted one stays, with its revisions, for whoever looks back."""

    scope = models.CharField(max_length=200)  # "global", "project/<name>", "node/<name>"
    path = models.CharField(max_length=200)
    content = models.TextField(blank=True)
    size_bytes = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)  # Of the newest revision; an edit names the one it was made on.
    # Somebody should look: it was written by a model that had read output of tasks.
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
    """One change of a memory file: who, when, why, and the whole text after it. Never changed."""

    file = models.ForeignKey(MemoryFile, on_delete=models.CASCADE, related_name="revisions")
    version = models.PositiveIntegerField()
    action = models.CharField(max_length=12)  # "create", "edit", "rename", "delete", "revert", "review"
    path = models.CharField(max_length=200)
    content = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)  # The person in whose name; empty = AgentFlow itself.
    engine = models.CharField(max_length=20, blank=True)  # Which engine wrote it; empty = the person's own hand.
    conversation_id = models.CharField(max_length=32, blank=True)
    turn_id = models.CharField(max_length=32, blank=True)
    why = models.CharField(max_length=500, blank=True)
    phrases = models.JSONField(default=dict)  # Of `why`, where AgentFlow has done it by itself.
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
    """One request to a model's endpoint, byte for byte; the newest few of a conversation are kept."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="snapshots")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="snapshots")
    request = models.PositiveIntegerField()  # Of the turn, from 1.
    model = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    usage = models.JSONField(default=dict)  # As `Turn.usage`; empty when the request broke off.
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["conversation", "id"], name="snapshot_in_order")]
        verbose_name = _("sent request")
        verbose_name_plural = _("sent requests")
