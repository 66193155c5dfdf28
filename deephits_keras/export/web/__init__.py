"""A model in a web page that needs no server."""
