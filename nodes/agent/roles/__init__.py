"""Assembles the parts of an agent: master, edge. `python -m nodes` starts them; nothing loads Django."""
