"""From features to a model that knows its data."""
