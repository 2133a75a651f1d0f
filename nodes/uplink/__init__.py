"""The client side of the stream: in a Master towards the Leader, in an Edge towards its Master."""
