"""The pages: one module per subject. Only `memory` writes."""
