"""The schema's root, strict YAML loading with positions, and sweep expansion."""
