"""Jinja templates of `deephits importers new`; see `corpus.importer_scaffold`."""
