"""What runs on a node: its tasks, their output, figures and stalls. Loads no Django."""
