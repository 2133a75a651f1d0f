"""URLs of the pages and of the account pages."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts.urls import urlpatterns as account_urls
from dashboard.pages import logs, memory, nodes, tasks, ticket
from dashboard.pages.sections import SECTIONS

app_name = "dashboard"
urlpatterns = [
    *(path(section.path, section.view, name=section.name) for section in SECTIONS),
    path("tasks/<str:task_id>/", tasks.task_detail, name="task-detail"),
    path("tasks/<str:task_id>/log", tasks.task_log, name="task-log"),
    path("tasks/<str:task_id>/log.txt", tasks.task_log_text, name="task-log-text"),
    path("nodes/<str:node_id>/", nodes.node_detail, name="node-detail"),
    path("logs/search", logs.log_search, name="log-search"),
    path("memory/<int:file_id>/", memory.memory_file, name="memory-file"),
    path("memory/<int:file_id>/change", memory.memory_change, name="memory-change"),
    path("memory/context/<str:conversation_id>/", memory.memory_context, name="memory-context"),
    path("memory/request/<int:snapshot_id>.json", memory.memory_request, name="memory-request"),
    path("live-ticket", ticket.live_ticket, name="live-ticket"),
    *account_urls,
]
