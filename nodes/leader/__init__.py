"""Parts that run only in the Leader: projection, scheduler, and the gateway for web processes."""
