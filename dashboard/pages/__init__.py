"""The pages that people read. Each module holds the views of one subject; none of them writes but `memory`."""
