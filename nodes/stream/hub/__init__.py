"""The server side of the stream: in the Leader for Masters, in a Master for its Edges."""

from nodes.stream.wire.transport import prepare_grpc

# The one thing that runs at import: later, grpc is loaded already.
prepare_grpc()
