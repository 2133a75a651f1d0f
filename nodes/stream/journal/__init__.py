"""The durable outbox of a node: what must not be lost is here before it is sent, until its parent has it."""
