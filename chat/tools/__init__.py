"""The tools of an engine: one file per family, each listed in `chat.tools.registry`."""
