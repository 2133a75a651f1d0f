"""The agent of a node: runs tasks, relays their output, samples metrics, detects stalls. Does not load Django."""
