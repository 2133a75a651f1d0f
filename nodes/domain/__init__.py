"""Words of the fleet as frozen data: states, events, commands. Standard library only, no I/O."""
