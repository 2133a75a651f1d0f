"""Messages to dashboards about conversations: each message and each object in it, declared once.

As `nodes.leader.projection.contract`. Texts are data: shown, never run.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from chat.policy import Risk
from chat.states import ApprovalState, CallState, FixState, FixVerdict, Trigger, TurnState
from nodes.leader.projection.contract import Positioned, one_of

TurnStateWord = Annotated[str, one_of("TurnState", TurnState)]
StepState = Annotated[str, one_of("StepState", CallState)]
ApprovalStateWord = Annotated[str, one_of("ApprovalState", ApprovalState)]
FixStateWord = Annotated[str, one_of("FixState", FixState)]
Verdict = Annotated[str, one_of("Verdict", FixVerdict)]
Confidence = Annotated[str, one_of("Confidence", ("high", "medium", "low"))]
EngineName = Annotated[str, one_of("EngineName", ("claude", "offline"))]
RiskWord = Annotated[str, one_of("Risk", ("", *Risk))]


class Phrase(TypedDict):
    """One of AgentFlow's own texts: its key, and the values to fill in."""

    key: str
    values: dict[str, PhraseValue]


PhraseValue = str | int | Phrase | list[str | Phrase]
# By the name of the text's field; a field that is not here has the words of a person or a model.
Phrases = dict[str, Phrase]


class Turn(TypedDict):
    id: str
    number: int
    trigger: Annotated[str, one_of("Trigger", Trigger)]
    state: TurnStateWord
    actor: str
    text: str
    engine: str
    model: str
    problem: str
    message: str
    phrases: Phrases
    # Of the answers in it.
    language: str
    # Whether a retry is possible and makes sense.
    isRetriable: bool
    # Tokens: "input", "cacheRead", "cacheWrite", "output".
    usage: dict[str, int]
    costUsd: float
    isCostPartial: bool
    createdAt: int
    endedAt: int | None


class Approval(TypedDict):
    id: str
    state: ApprovalStateWord
    right: str
    expiresAt: int
    answeredBy: str
    answeredAt: int | None


class Step(TypedDict):
    """A tool call as a person sees it."""

    id: str
    turn: str
    # The answer that contains it, and its index there.
    message: str
    position: int
    tool: str
    arguments: Any
    risk: RiskWord
    summary: str
    state: StepState
    acting: str
    result: str
    phrases: Phrases
    isError: bool
    createdAt: int
    endedAt: int | None
    approval: Approval | None


class Fix(TypedDict):
    """An action that a person can start with one click and an approval."""

    number: Annotated[int, Meta(ge=1, le=3)]
    label: str
    why: str
    phrases: Phrases
    tool: str
    arguments: dict[str, Any]
    risk: RiskWord
    state: FixStateWord
    # The turn that a click started; empty = no one has chosen it.
    turn: str


class Quote(TypedDict):
    id: str
    kind: str
    quote: Annotated[str, Meta(max_length=200)]


class Analysis(TypedDict):
    """Why a task is stuck, what may help, and whether it did. Quotes are what programs printed."""

    id: str
    turn: str
    alert: str
    task: str
    node: str
    # Tasks with the same trouble.
    others: list[str]
    kind: Annotated[str, one_of("StallKind", ("waiting", "stalled"))]
    engine: EngineName
    cause: str
    confidence: Confidence
    evidence: list[Quote]
    fixes: Annotated[list[Fix], Meta(max_length=3)]
    verdict: Verdict
    # The number of the fix; 0 = none.
    verdictFix: int
    verdictText: str
    verdictAt: int | None
    phrases: Phrases
    # Of what a model wrote in it.
    language: str
    createdAt: int


class ChatText(TypedDict):
    id: str
    turn: str
    text: str
    phrases: Phrases
    createdAt: int


class ConversationInfo(TypedDict):
    id: str
    context: str
    project: str
    node: str
    isOpen: bool
    createdAt: int
    lastAt: int


class EngineStatus(TypedDict):
    name: EngineName
    model: str
    reason: str


class FullTurn(Turn):
    messages: list[ChatText]
    steps: list[Step]
    analysis: Analysis | None


class ChatState(ConversationInfo):
    engine: EngineStatus
    turns: list[FullTurn]
    hasMore: bool


class OfConversation(Positioned):
    conversation: str
    at: int


class ChatTurnMessage(OfConversation):
    type: Literal["CHAT_TURN"]
    turn: Turn


class ChatStepMessage(OfConversation):
    type: Literal["CHAT_STEP"]
    step: Step


class ChatResponse(OfConversation):
    type: Literal["CHAT_RESPONSE"]
    turn: str
    text: str
    message: ChatText


class ChatAnalysisMessage(OfConversation):
    type: Literal["CHAT_ANALYSIS"]
    turn: str
    analysis: Analysis


class ChatConversation(OfConversation):
    type: Literal["CHAT_CONVERSATION"]
    info: ConversationInfo


class ChatDelta(TypedDict):
    """From `offset` on, this answer's text is now `text`. Ephemeral."""

    type: Literal["CHAT_DELTA"]
    conversation: str
    turn: str
    request: int
    offset: int
    text: str


class ChatRetrying(TypedDict):
    """Ephemeral."""

    type: Literal["CHAT_RETRYING"]
    conversation: str
    turn: str
    delaySeconds: float
    reason: str


ChatMessage = (
    ChatTurnMessage | ChatStepMessage | ChatResponse | ChatAnalysisMessage | ChatConversation | ChatDelta | ChatRetrying
)
