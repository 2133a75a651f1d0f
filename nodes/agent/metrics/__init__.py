"""How busy a node is and what it can do: sampled here, pushed when it changes."""
