"""The live web side: sends the fleet's feed to every dashboard at once. docs/websocket.md is the contract."""
