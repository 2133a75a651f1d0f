"""The stream between two nodes: messages, their encoding, and the session that both ends share."""
