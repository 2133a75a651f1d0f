"""All changes of conversations, as functions on the projection's transaction. Each checks first, then changes."""

from chat.store.analyses import ask_fix, begin_stall, close_watch, end_resolved, given_call, keep_analysis
from chat.store.calls import answer, ask, claim, close_approvals, command_id, finish_call
from chat.store.conversations import open_conversation
from chat.store.epochs import begin_epoch, end_epoch
from chat.store.fixes import alert_of, analysis_of, fix_of
from chat.store.messages import add_message, add_own_text, add_reply, add_results, is_tainted_now, open_calls
from chat.store.rows import approval_of, call_of, change, change_turn, turn_of
from chat.store.turns import (
    add_usage,
    begin_stall_turn,
    begin_turn,
    end_stall_turn,
    end_turn,
    leave_running,
    queue_message,
    resume_turn,
    retry,
    stop_turn,
    withdraw,
)

__all__ = [
    "add_message",
    "add_own_text",
    "add_reply",
    "add_results",
    "add_usage",
    "alert_of",
    "analysis_of",
    "answer",
    "approval_of",
    "ask",
    "ask_fix",
    "begin_epoch",
    "begin_stall",
    "begin_stall_turn",
    "begin_turn",
    "call_of",
    "change",
    "change_turn",
    "claim",
    "close_approvals",
    "close_watch",
    "command_id",
    "end_epoch",
    "end_resolved",
    "end_stall_turn",
    "end_turn",
    "finish_call",
    "fix_of",
    "given_call",
    "is_tainted_now",
    "keep_analysis",
    "leave_running",
    "open_calls",
    "open_conversation",
    "queue_message",
    "resume_turn",
    "retry",
    "stop_turn",
    "turn_of",
    "withdraw",
]
