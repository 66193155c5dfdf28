"""The paper's tables and figures, computed on any corpus and compared with the published ones."""
