"""Where the parts of an agent are put together: master, edge. `python -m nodes` starts them; nothing loads Django."""
