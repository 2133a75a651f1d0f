"""Whether running tasks get on: pure verdicts, the samples they are made from, and the evidence for a person."""
