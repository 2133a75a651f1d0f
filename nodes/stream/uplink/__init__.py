"""The client side of the stream: in a Master towards the Leader, in an Edge towards its Master."""

from nodes.stream.wire.transport import prepare_grpc

# The one thing that runs at import: later, grpc is loaded already.
prepare_grpc()
