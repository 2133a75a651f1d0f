"""Detects whether a running task is stuck: pure verdicts, the samples behind them, and evidence for a person."""
