"""A server for predictions over HTTP, and its page."""
