"""Reads a sentence that a person typed, in Chinese or English, by rules. Pure: takes text and world, returns a reading.

The aim is not to understand much, but never to act on anything that was not plainly said: every word must be accounted
for, and anything that could reverse the meaning (a negation, exception, condition or quotation) blocks execution.
"""

from chat.interpret.policy import interpret
from chat.interpret.reading import Context, Outcome, Pending, Reading
from chat.interpret.world import Task, World

__all__ = ["Context", "Outcome", "Pending", "Reading", "Task", "World", "interpret"]
