"""What AgentFlow remembers beyond one conversation: small text files of the cluster, of a project, of a node."""
