"""Turns requests into commands for the right node, and tracks every command until it is settled."""
