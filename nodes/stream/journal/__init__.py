"""A node's durable outbox: entries that must not be lost are stored here before they are sent, until acknowledged."""
