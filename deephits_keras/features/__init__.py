"""The feature store: extracted features in shards, each either complete or absent."""
