"""Turns requests into commands for the right node, and sees every command to its end."""
