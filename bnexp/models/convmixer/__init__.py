"""ConvMixer: patches, then depthwise and pointwise convolutions."""
