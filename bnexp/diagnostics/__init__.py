"""One file a measurement taken while training, each with its own config class; none yet."""
