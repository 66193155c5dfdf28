"""The recipes that ship with the package: a TOML file each, found by entry point."""
