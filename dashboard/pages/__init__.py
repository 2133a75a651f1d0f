"""The pages. Each module has the views of one subject; only `memory` writes."""
