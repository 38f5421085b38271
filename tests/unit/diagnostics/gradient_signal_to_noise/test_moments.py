"""The moments of gradients against hand-made ones."""

import torch

from bnexp.diagnostics.gradient_signal_to_noise.probe import GradientMoments


def estimate(*estimates):
    moments = GradientMoments(estimates[0])
    for gradients in estimates[1:]:
        moments.add(gradients)
    return moments.estimate()


def test_they_are_what_one_computes_by_hand():
    # Mean (2, 0); distances (∓1, ±2), squared 5 each, over 2 − 1.
    signal, noise = estimate([torch.tensor([1.0, 2.0])], [torch.tensor([3.0, -2.0])])

    assert noise.tolist() == [10]
    assert signal.tolist() == [4 - 10 / 2]


def test_equal_gradients_have_no_noise_however_large():
    gradient = torch.tensor([1e4, -1e4, 3.0])
    signal, noise = estimate(*[[gradient]] * 5)

    assert noise.tolist() == [0]
    assert torch.equal(signal, gradient.square().sum()[None])


def test_noise_far_below_the_signal_keeps_its_digits():
    noise_of = torch.tensor([1.0, -1.0, 0.0])
    _, noise = estimate([1e4 + 1e-2 * noise_of], [1e4 - 1e-2 * noise_of])

    exact = (1e4 + 1e-2 * noise_of).double() - (1e4 - 1e-2 * noise_of).double()
    assert torch.allclose(noise.double(), exact.square().sum() / 2, rtol=1e-5)


def test_each_tensor_has_its_own():
    signal, noise = estimate(
        [torch.tensor([1.0]), torch.ones(2, 2)], [torch.tensor([1.0]), 3 * torch.ones(2, 2)]
    )
    assert noise.tolist() == [0, 8]
    assert signal.tolist() == [1, 16 - 4]


def test_they_are_unbiased():
    generator = torch.Generator().manual_seed(0)
    mean, std, trials = torch.tensor([0.5, -0.2, 0.1]), torch.tensor([1.0, 2.0, 0.5]), 20_000
    # Every column is a trial of its own, and four gradients are drawn in each.
    drawn = mean[:, None] + std[:, None] * torch.randn(4, 3, trials, generator=generator)
    signal, noise = estimate(*[list(gradients.T) for gradients in drawn])

    assert len(signal) == trials
    for values, expected in ((signal, mean.square().sum()), (noise, std.square().sum())):
        error = values.std() / trials**0.5
        assert abs(values.mean() - expected) < 4 * error
