"""The client side of the stream: in a Master towards the Leader, in an Edge towards its Master."""

from nodes.stream.wire.transport import prepare_grpc

# The only code that runs at import: it must run before grpc is loaded.
prepare_grpc()
