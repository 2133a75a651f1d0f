"""The REST API, version 1. Paths work with and without the trailing slash: a redirect would lose a POST's body."""

from __future__ import annotations

from django.urls import re_path

from dashboard.api import chat, views

app_name = "api"
urlpatterns = [
    re_path(r"^me/?$", views.Me.as_view(), name="me"),
    re_path(r"^counts/?$", views.Counts.as_view(), name="counts"),
    re_path(r"^nodes/?$", views.NodeList.as_view(), name="node-list"),
    re_path(r"^nodes/(?P<node_id>[^/]+)/?$", views.NodeDetail.as_view(), name="node-detail"),
    re_path(r"^nodes/(?P<node_id>[^/]+)/retire/?$", views.NodeRetire.as_view(), name="node-retire"),
    re_path(r"^alerts/?$", views.AlertList.as_view(), name="alert-list"),
    re_path(r"^alerts/(?P<alert_id>[0-9]{1,18})/?$", views.AlertDetail.as_view(), name="alert-detail"),
    re_path(
        r"^alerts/(?P<alert_id>[0-9]{1,18})/acknowledge/?$",
        views.AlertAcknowledge.as_view(),
        name="alert-acknowledge",
    ),
    re_path(r"^tasks/?$", views.TaskList.as_view(), name="task-list"),
    re_path(r"^tasks/(?P<task_id>[^/]+)/?$", views.TaskDetail.as_view(), name="task-detail"),
    re_path(r"^tasks/(?P<task_id>[^/]+)/control/?$", views.TaskControl.as_view(), name="task-control"),
    re_path(r"^tasks/(?P<task_id>[^/]+)/log/?$", views.TaskLog.as_view(), name="task-log"),
    re_path(r"^tasks/(?P<task_id>[^/]+)/attempts/?$", views.TaskAttempts.as_view(), name="task-attempts"),
    re_path(r"^history/?$", views.History.as_view(), name="history"),
    re_path(r"^chat/contexts/?$", chat.Contexts.as_view(), name="chat-contexts"),
    re_path(r"^chat/conversations/?$", chat.Conversations.as_view(), name="conversation-list"),
    re_path(r"^chat/conversations/(?P<conversation_id>[^/]+)/?$", chat.Conversation.as_view(), name="conversation"),
    re_path(
        r"^chat/conversations/(?P<conversation_id>[^/]+)/messages/?$", chat.Messages.as_view(), name="chat-messages"
    ),
    re_path(r"^chat/steps/(?P<step_id>[^/]+)/?$", chat.Step.as_view(), name="chat-step"),
    re_path(r"^chat/turns/(?P<turn_id>[^/]+)/stop/?$", chat.TurnStop.as_view(), name="turn-stop"),
    re_path(r"^chat/turns/(?P<turn_id>[^/]+)/retry/?$", chat.TurnRetry.as_view(), name="turn-retry"),
    re_path(r"^chat/turns/(?P<turn_id>[^/]+)/fixes/(?P<number>[0-9]{1,2})/?$", chat.TurnFix.as_view(), name="turn-fix"),
    re_path(r"^chat/approvals/(?P<approval_id>[^/]+)/?$", chat.ApprovalAnswer.as_view(), name="approval-answer"),
    re_path(r"^chat/conversations/(?P<conversation_id>[^/]+)/context/?$", chat.Context.as_view(), name="chat-context"),
    re_path(r"^memory/?$", chat.MemoryFiles.as_view(), name="memory-list"),
    re_path(r"^memory/(?P<file_id>[0-9]{1,18})/?$", chat.MemoryFile.as_view(), name="memory-file"),
    re_path(r"^chat/audit/?$", chat.Audit.as_view(), name="chat-audit"),
    re_path(r"", views.NoRoute.as_view(), name="no-route"),
]
