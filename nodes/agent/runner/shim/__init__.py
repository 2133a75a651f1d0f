"""One small process per task: it owns the task's processes, so that the agent may die and come back.

Rules of this package: the standard library's light modules only (no dataclasses, typing, asyncio: each costs megabytes
in every task), nothing of AgentFlow outside this package but `nodes.core.secrets`, no
state that the task folder does not hold.
"""
