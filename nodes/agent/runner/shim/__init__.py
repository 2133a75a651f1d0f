"""One small process per task: it owns the task's processes, so that the agent can exit and be restarted.

Rules of this package: import only light modules of the standard library (no dataclasses, typing or asyncio: each costs
megabytes per task), import nothing of AgentFlow outside this package except `nodes.core.secrets` and
`nodes.domain.wording` (with its texts), and keep no state that is not in the task's folder.
"""
