"""AgentFlow's version, as nodes report it; a test compares pyproject.toml and frontend/package.json with it."""

VERSION = "0.1.0"
