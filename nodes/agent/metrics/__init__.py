"""Samples a node's load and capabilities, and pushes the load when it changes."""
