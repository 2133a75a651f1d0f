"""The ASGI application: pages and REST through Django, `/ws/` through the live consumer."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentflow_site.settings")

application = get_asgi_application()
