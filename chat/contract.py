"""Messages to dashboards about conversations: each message and each object in it, declared once.

Like `nodes.leader.projection.contract`. Texts are data: they are displayed, never executed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from chat.policy import Risk
from chat.states import ApprovalState, CallState, FixState, FixVerdict, Trigger, TurnState
from nodes.domain.phrases import Phrases
from nodes.leader.projection.contract import Positioned, one_of

TurnStateWord = Annotated[str, one_of("TurnState", TurnState)]
StepState = Annotated[str, one_of("StepState", CallState)]
ApprovalStateWord = Annotated[str, one_of("ApprovalState", ApprovalState)]
FixStateWord = Annotated[str, one_of("FixState", FixState)]
Verdict = Annotated[str, one_of("Verdict", FixVerdict)]
Confidence = Annotated[str, one_of("Confidence", ("high", "medium", "low"))]
EngineName = Annotated[str, one_of("EngineName", ("claude", "offline"))]
RiskWord = Annotated[str, one_of("Risk", ("", *Risk))]


class Turn(TypedDict):
    """A message, or an alert that started an analysis, and the state of its answer."""

    id: str
    # Position in its conversation, from 1.
    number: int
    trigger: Annotated[str, one_of("Trigger", Trigger)]
    state: TurnStateWord
    # Who sent it.
    actor: str
    text: str
    # `claude` or `offline`; empty = not known yet.
    engine: str
    model: str
    # Code of the reason why it failed.
    problem: str
    # The reason as text.
    message: str
    phrases: Phrases
    # Language of AgentFlow's answers in it.
    language: str
    # Whether `CHAT_RETRY` is allowed.
    isRetriable: bool
    # Tokens: `input`, `cacheRead`, `cacheWrite`, `output`.
    usage: dict[str, int]
    costUsd: float
    # `costUsd` is a lower limit: a request was cut off.
    isCostPartial: bool
    createdAt: int
    endedAt: int | None


class Approval(TypedDict):
    """A person's permission for one step; `stale`: its target changed first."""

    id: str
    # Of the call and the state of its targets. An answer with another `seen` is refused.
    digest: str
    state: ApprovalStateWord
    # Required to answer; as in `rights` of `GET /api/v1/me/`.
    right: str
    expiresAt: int
    answeredBy: str
    answeredAt: int | None


class Step(TypedDict):
    """A tool call as a person sees it. Every change sends the complete step; the latest one with an `id` wins."""

    id: str
    turn: str
    # Id of the answer that contains it.
    message: str
    # Index in that answer.
    position: int
    tool: str
    arguments: Any
    # `memory`: changes only AgentFlow's memory.
    risk: RiskWord
    # The exact action, described by AgentFlow.
    summary: str
    state: StepState
    # User in whose name it runs.
    acting: str
    result: str
    phrases: Phrases
    isError: bool
    createdAt: int
    endedAt: int | None
    # Null = no approval needed.
    approval: Approval | None
    # Its command is left out; REST has it, for people who may run commands.
    isWithheld: bool


class Fix(TypedDict):
    """An action that a person can start with one click and an approval. `asked`: a turn was started for it;
    `done`: it was sent, and its step shows the outcome.
    """

    number: Annotated[int, Meta(ge=1, le=3)]
    # Of the action. A request with another `seen` is refused.
    digest: str
    label: str
    why: str
    phrases: Phrases
    tool: str
    arguments: dict[str, Any]
    risk: RiskWord
    state: FixStateWord
    # Turn started by the click; empty = not clicked.
    turn: str


class Quote(TypedDict):
    """A quote from a piece of an alert's evidence."""

    # Id of that piece.
    id: str
    kind: str
    quote: Annotated[str, Meta(max_length=200)]


class Analysis(TypedDict):
    """Why a task is stuck, what may help, and whether it did (of a turn with trigger `stall`)."""

    id: str
    turn: str
    alert: str
    task: str
    node: str
    # Ids of tasks with the same problem.
    others: list[str]
    kind: Annotated[str, one_of("StallKind", ("waiting", "stalled"))]
    # `offline` also if the model could not be used.
    engine: EngineName
    # One or two sentences.
    cause: str
    confidence: Confidence
    # Quotes that support the cause.
    evidence: list[Quote]
    # At most three.
    fixes: Annotated[list[Fix], Meta(max_length=3)]
    # The stall detector's result after a fix.
    verdict: Verdict
    # Number of the fix that was checked; 0 = none.
    verdictFix: int
    verdictText: str
    verdictAt: int | None
    phrases: Phrases
    # Language of the model's texts.
    language: str
    createdAt: int


class ChatText(TypedDict):
    """An answer of a turn."""

    id: str
    turn: str
    text: str
    phrases: Phrases
    createdAt: int


class ConversationInfo(TypedDict):
    """A conversation without its turns."""

    id: str
    # `PROJECT:NODE`.
    context: str
    project: str
    node: str
    isOpen: bool
    createdAt: int
    lastAt: int


class EngineStatus(TypedDict):
    """Which engine answers."""

    name: EngineName
    model: str
    # Why it is the offline one: `no-key`, `chosen`, `daily-limit`.
    reason: str


class FullTurn(Turn):
    """A turn with everything that belongs to it."""

    messages: list[ChatText]
    steps: list[Step]
    analysis: Analysis | None


class ChatState(ConversationInfo):
    """A conversation as in `chats` and over REST."""

    engine: EngineStatus
    # The latest 50, oldest first.
    turns: list[FullTurn]
    # Older turns are available over REST.
    hasMore: bool


class OfConversation(Positioned):
    conversation: str
    at: int


class ChatTurnMessage(OfConversation):
    """A turn started or changed."""

    type: Literal["CHAT_TURN"]
    turn: Turn


class ChatStepMessage(OfConversation):
    """A tool call was proposed or changed."""

    type: Literal["CHAT_STEP"]
    step: Step


class ChatResponse(OfConversation):
    """A complete answer. A turn may have several, with steps in between."""

    type: Literal["CHAT_RESPONSE"]
    # Its id.
    turn: str
    text: str
    message: ChatText


class ChatAnalysisMessage(OfConversation):
    """Why a task is stuck and what may fix it. Every change sends the complete analysis."""

    type: Literal["CHAT_ANALYSIS"]
    # Id of the turn with trigger `stall`.
    turn: str
    analysis: Analysis


class ChatConversation(OfConversation):
    """A conversation was opened or closed."""

    type: Literal["CHAT_CONVERSATION"]
    info: ConversationInfo


class ChatDelta(TypedDict):
    """A piece of an answer: `text` replaces everything from `offset` on. Ephemeral."""

    type: Literal["CHAT_DELTA"]
    conversation: str
    # Its id.
    turn: str
    # Number of the answer in this turn.
    request: int
    # In characters.
    offset: int
    text: str


class ChatRetrying(TypedDict):
    """The model did not respond and is retried. Ephemeral."""

    type: Literal["CHAT_RETRYING"]
    conversation: str
    # Its id.
    turn: str
    delaySeconds: float
    reason: str


ChatMessage = (
    ChatTurnMessage | ChatStepMessage | ChatResponse | ChatAnalysisMessage | ChatConversation | ChatDelta | ChatRetrying
)
