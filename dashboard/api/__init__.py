"""The REST API, version 1: the shapes of the live messages, for programs that poll instead of listening."""
