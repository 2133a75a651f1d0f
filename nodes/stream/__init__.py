"""The stream between a node and its parent, both ends: wire, journal, identity, hub, uplink. Loads no Django."""
