"""The fleet's vocabulary as frozen data: states, events, commands. Standard library only, no I/O."""
