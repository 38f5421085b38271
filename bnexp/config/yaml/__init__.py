"""YAML files as trees of values that know where they stand."""
