"""One file a normalization layer, each with its own config class."""
