"""Runs tasks on a node: the shim that holds one task, and the agent's side that starts, finds and follows it.

Imports nothing here: the shim starts as a bare interpreter and pays for every module it loads.
"""
