"""The REST API, version 1: the live messages' format, for programs that poll."""
