"""The stream between two nodes: messages, their translation, and the session both ends share."""
