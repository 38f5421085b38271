"""Statistics on a handful of seeds: plain numbers in, plain numbers out."""
