"""Reads for pages, sockets and programs: short, indexed, always limited, and returned as the dictionaries of `/ws/`.

Synchronous and safe on any thread. Nothing here writes.
"""

from nodes.selectors.alerts import alert_detail, alert_list, alert_page
from nodes.selectors.feed import feed_since, position
from nodes.selectors.fleet import counts, dead_letters, gaps, node_detail, node_list
from nodes.selectors.output import recent_logs, search_logs, task_log
from nodes.selectors.state_of_topics import snapshot
from nodes.selectors.tasks import known_tasks, recent_commands, task_attempts, task_detail, task_list, work_log

__all__ = [
    "alert_detail",
    "alert_list",
    "alert_page",
    "counts",
    "dead_letters",
    "feed_since",
    "gaps",
    "known_tasks",
    "node_detail",
    "node_list",
    "position",
    "recent_commands",
    "recent_logs",
    "search_logs",
    "snapshot",
    "task_attempts",
    "task_detail",
    "task_list",
    "task_log",
    "work_log",
]
