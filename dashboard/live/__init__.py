"""The live side of the web pages: pushes the fleet's feed to every dashboard. docs/websocket.md is the contract."""
