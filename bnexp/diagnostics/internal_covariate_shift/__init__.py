"""How much the update of the layers before it changes a layer's gradient."""
