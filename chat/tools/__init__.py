"""What an engine may ask for. A family of tools is one file, and one line in `chat.tools.registry`."""
