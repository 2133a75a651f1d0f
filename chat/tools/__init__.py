"""The tools of an engine. A family of tools is one file, and one line in `chat.tools.registry`."""
