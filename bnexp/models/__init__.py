"""One file a family of networks, each with its own config class."""
