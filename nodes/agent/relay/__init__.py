"""A Master's relay between its Edges and the Leader: stores and forwards updates unchanged, passes commands down."""
