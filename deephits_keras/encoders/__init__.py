"""The contract between the core and a modality, and the registry that finds encoders."""
