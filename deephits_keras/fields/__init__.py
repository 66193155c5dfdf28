"""Named numbers of a track: a toolbox for encoders of metadata fields."""
