"""Applies what nodes report to the Leader's store, numbers each change and tells a listener after the commit."""
