"""Importers of public datasets, each from the layout that its authors publish."""
