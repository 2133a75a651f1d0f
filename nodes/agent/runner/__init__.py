"""Runs tasks on a node: the shim that holds one task, and the agent's side that starts, finds and follows it.

This file imports nothing: the shim starts as a bare interpreter, and every module it loads costs memory.
"""
