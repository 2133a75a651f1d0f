"""Analyses of stuck tasks: the cause, evidence, and fixes that a person can apply."""
