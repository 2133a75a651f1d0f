"""What AgentFlow remembers beyond one conversation: small text files per cluster, project and node."""
