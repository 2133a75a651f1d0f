"""Doors of the dashboard: pages for people, and the accounts' pages."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts.urls import urlpatterns as account_urls
from dashboard.pages import history, logs, nodes, overview, tasks, ticket

app_name = "dashboard"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("tasks/", tasks.task_list, name="task-list"),
    path("tasks/<str:task_id>/", tasks.task_detail, name="task-detail"),
    path("tasks/<str:task_id>/log", tasks.task_log, name="task-log"),
    path("tasks/<str:task_id>/log.txt", tasks.task_log_text, name="task-log-text"),
    path("nodes/", nodes.node_list, name="node-list"),
    path("nodes/<str:node_id>/", nodes.node_detail, name="node-detail"),
    path("logs/", logs.logs, name="logs"),
    path("history/", history.work_log, name="work-log"),
    path("live-ticket", ticket.live_ticket, name="live-ticket"),
    *account_urls,
]
