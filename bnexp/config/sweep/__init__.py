"""From the section `sweep` to the cells of an experiment."""
