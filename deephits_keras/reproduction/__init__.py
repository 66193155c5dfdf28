"""The paper's tables and figures, computed on any corpus and shown beside the published ones."""
