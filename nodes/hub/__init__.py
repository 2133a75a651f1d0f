"""The server side of the stream: in the Leader for Masters, in a Master for its Edges."""
