"""The stream between a node and its parent, both ends: wire, journal, identity. Loads no Django."""
