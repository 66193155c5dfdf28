"""The feature store: what encoders extract, in shards that are whole or absent."""
