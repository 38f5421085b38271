"""One pass of a network under the hooks of a probe."""


def observe(probe, model, inputs):
    """Returns what a probe measures of one forward pass."""
    handles = list(probe.hook(model))
    model(inputs)
    for handle in handles:
        handle.remove()
    return dict(probe.after_update(None))
