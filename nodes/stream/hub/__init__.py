"""The server side of the stream: in the Leader for Masters, in a Master for its Edges."""

from nodes.stream.wire.transport import prepare_grpc

# The only code that runs at import: it must run before grpc is loaded.
prepare_grpc()
