"""Applies nodes' updates to the Leader's store, numbers each change, and notifies a listener after the commit."""
