"""The live web side: what the fleet's feed says, handed to every dashboard at once. docs/websocket.md is the
contract.
"""
