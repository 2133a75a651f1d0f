"""Parses a sentence that a person typed, in Chinese or English, by rules. Pure: text and world in, reading out.

It need not understand much, but it must never act on anything that was not clearly requested: every word must be known,
and anything that could reverse the meaning (a negation, exception, condition or quotation) blocks execution.
"""

from chat.interpret.policy import interpret
from chat.interpret.reading import Context, Outcome, Pending, Reading
from chat.interpret.world import Task, World

__all__ = ["Context", "Outcome", "Pending", "Reading", "Task", "World", "interpret"]
