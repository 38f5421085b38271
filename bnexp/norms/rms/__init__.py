"""RMS norm over the channels of each pixel."""
