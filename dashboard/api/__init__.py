"""The REST API, version 1: the live messages' shapes, for programs that ask instead of listening."""
