"""What runs in the Leader alone: projection, scheduler, and the gateway for web processes."""
