"""A Master between its Edges and the Leader: keeps what they say, passes it up unchanged, passes commands down."""
