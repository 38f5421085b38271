"""Steps of small networks with any loss, as probes see them."""

import torch

from bnexp.diagnostics.probe import ProbedStep


def probe_step(probe, model, compute_loss, images=8, learning_rate=0.1, number=1, update=None):
    """Returns what a probe measures in a step of plain gradient descent, or of another update.

    `compute_loss` gets the images of a part of the batch, as a slice of their numbers.
    """
    for _ in probe.hook(model):
        raise AssertionError("these probes need no hooks")
    model.zero_grad()
    loss = compute_loss(slice(None))
    loss.backward()

    def compute_again(part=slice(None)):
        return compute_loss(part)

    inputs = torch.zeros(images, 1)
    step = ProbedStep(
        number, model, inputs, inputs[:, 0], loss.detach(), inputs, learning_rate, compute_again
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    probe.before_update(step)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    with torch.no_grad():
        for parameter in model.parameters():
            if update is None:
                parameter.sub_(learning_rate * parameter.grad)
            else:
                update(parameter)
    return {tag: float(value) for tag, value in probe.after_update(step)}
