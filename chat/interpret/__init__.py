"""Reads a sentence that a person typed, in Chinese or English, by rules. Pure: text and world in, a reading out.

The aim is not to understand much but never to act on what was not plainly said: every word must be accounted for, and
whatever could turn a meaning round (a negation, an exception, a condition, a quotation) takes authority away.
"""

from chat.interpret.policy import interpret
from chat.interpret.reading import Context, Outcome, Pending, Reading
from chat.interpret.world import Task, World

__all__ = ["Context", "Outcome", "Pending", "Reading", "Task", "World", "interpret"]
