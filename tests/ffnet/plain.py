"""A forward-forward CNN as one would write it down: autograd, a loss a layer, no tricks. ffnet is held against it."""

import math

import torch
from torch.nn import functional as F


def wave(recipe, height, width):
    """Draw a Fourier label: min-max of a sum of cosines."""
    y = torch.arange(height, dtype=torch.float64)[:, None]
    x = torch.arange(width, dtype=torch.float64)[None, :]
    total = sum(torch.cos(2 * math.pi * (w.fy * y / height + w.fx * x / width) + w.phase) for w in recipe.waves)
    return (total - total.min()) / (total.max() - total.min())


class PlainNet:
    """Convolutions of the same padding; each input is divided by its root mean square (paper, MNIST)."""

    def __init__(self, weights, biases, pools, patterns, intensity):
        self.weights = [w.clone().requires_grad_() for w in weights]
        self.biases = [b.clone().requires_grad_() for b in biases]
        self.pools, self.patterns, self.intensity = pools, patterns, intensity

    def embed(self, images, labels):
        return (1 - self.intensity) * images + self.intensity * self.patterns[labels][:, None]

    def goodness(self, x):
        """Return each layer's sum of squares (paper), and its number of neurons; nothing crosses a layer."""
        found = []
        for weight, bias, pool in zip(self.weights, self.biases, self.pools, strict=True):
            x = x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
            y = F.relu(F.conv2d(x, weight, bias, padding="same"))
            found.append((y.square().sum((1, 2, 3)), y[0].numel()))
            x = F.max_pool2d(y, pool).detach()
        return found

    def train(self, images, batches, lr_of_epoch):
        """Take a step of Adam a batch of (image indices, right labels, wrong labels)."""
        adam = torch.optim.Adam([*self.weights, *self.biases])
        for lr, epoch in zip(lr_of_epoch, batches, strict=True):
            adam.param_groups[0]["lr"] = lr
            for index, right, wrong in epoch:
                positive = self.goodness(self.embed(images[index], right))
                negative = self.goodness(self.embed(images[index], wrong))
                losses = []
                for (g_pos, theta), (g_neg, _) in zip(positive, negative, strict=True):
                    p_pos, p_neg = g_pos - theta, g_neg - theta
                    losses.append((F.softplus(-p_pos).mean() + F.softplus(p_neg).mean()) / 2)
                adam.zero_grad()
                sum(losses).backward()  # each loss reaches its own layer only
                adam.step()

    @torch.no_grad()
    def predict(self, images):
        """Try every label; the most goodness, summed over all layers but the first, wins."""
        scores = []
        for label in range(len(self.patterns)):
            embedded = self.embed(images, torch.full((len(images),), label))
            scores.append(sum(g for g, _ in self.goodness(embedded)[1:]))
        return torch.stack(scores, 1).argmax(1)
