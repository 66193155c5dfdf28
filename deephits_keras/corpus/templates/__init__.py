"""What `deephits importers new` writes, as Jinja templates; see `corpus.importer_scaffold`."""
