"""The fleet: what runs on a node and how its changes reach the Leader. docs/architecture.md draws it."""
