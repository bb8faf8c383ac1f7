"""The loop that a researcher writes: Dataset and DataLoader, a label a sample, autograd, one backward, `.item()`.

The same mathematics, batch, labels and net as ffnet's: what its training step is timed against.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    """Each image with its own label and with a wrong one, and if asked for neutral, drawn a sample at a time."""

    def __init__(self, images, classes, labels, intensity, neutral):
        self.images, self.classes, self.labels, self.intensity = images, classes, labels, intensity
        self.neutral = neutral

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, right = self.images[index].float() / 255, int(self.classes[index])
        wrong = (right + int(torch.randint(1, len(self.labels), ()))) % len(self.labels)
        both = [self.labels.embed(image[None], torch.tensor([label]), self.intensity)[0] for label in (right, wrong)]
        if not self.neutral:
            return *both, right
        mean = self.labels.imprints(image[None])[:, 0].mean(0)
        return *both, right, (1 - self.intensity) * image + self.intensity * mean


class FullGradientReLU(torch.autograd.Function):
    """relu whose gradient is 1 everywhere."""

    @staticmethod
    def forward(ctx, x):
        """Return relu(x)."""
        return F.relu(x)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradient unchanged."""
        return gradient


class NaturalNet(nn.Module):
    """Layers as modules; activations detached between them; a loss a layer, and peer normalisation if asked for."""

    def __init__(self, channels, widths, kernel, pools, norm, peer=0.0, full_gradient=False):
        super().__init__()
        sizes = [channels, *widths]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel, padding="same") for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(c, affine=False) if norm == "batch" else nn.Identity() for c in sizes[:-1]
        )
        self.pools, self.norm, self.peer = pools, norm, peer
        self.relu = FullGradientReLU.apply if full_gradient else F.relu
        self.means = [torch.full((width,), 0.5) for width in widths]

    def activities(self, x):
        """Yield each layer's activity; nothing flows back from one to another."""
        for convolution, normalize, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            x = x.detach()
            if self.norm == "layer":
                x = x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
            y = self.relu(convolution(normalize(x)))
            yield y
            x = F.max_pool2d(y, pool) if pool > 1 else y

    def losses(self, x):
        """Return each layer's binary cross-entropy of sum of squares − θ, and the discrimination accuracies."""
        found, right = [], []
        for k, y in enumerate(self.activities(x)):
            logit = y.float().square().sum((1, 2, 3)) - y[0].numel()
            half = len(logit) // 2
            target = torch.cat([torch.ones(half), torch.zeros(half)])
            found.append(F.binary_cross_entropy_with_logits(logit, target))
            right.append(((logit > 0).float() == target).float().mean())
            if self.peer:
                mean = 0.9 * self.means[k] + 0.1 * y[:half].mean((0, 2, 3))
                self.means[k] = mean.detach()
                found[-1] = found[-1] + self.peer * (mean.mean() - mean).square().mean()
        return found, right


class Natural:
    """One training, step by step; with the classifier, which learns alongside from a neutral pass, or without."""

    def __init__(self, data, labels, config, *, neutral=False):
        net = config.net
        pools = net.pools or (1,) * len(net.widths)
        full = config.train.relu_gradient == "full"
        self.net = NaturalNet(data.shape[0], net.widths, net.kernel, pools, net.norm, config.train.peer, full)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=config.train.lr)
        pairs = Pairs(data.train.images, data.train.classes, labels, config.labels.intensity, neutral)
        self.loader = DataLoader(pairs, config.train.batch, shuffle=True, drop_last=True)
        self.batches = iter(self.loader)
        self.log = []
        self.head = None

    def step(self):
        """Take the next batch."""
        try:
            positive, negative, right_classes, *neutral = next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            positive, negative, right_classes, *neutral = next(self.batches)
        losses, right = self.net.losses(torch.cat([positive, negative]))
        self.adam.zero_grad()
        sum(losses).backward()
        self.adam.step()
        self.log.append([loss.item() for loss in losses] + [r.item() for r in right])
        if neutral:
            self.classify(neutral[0], right_classes)

    def classify(self, neutral, classes):
        """Let the classifier learn from the neutral images."""
        with torch.no_grad():
            features = torch.cat([y.flatten(1) for y in list(self.net.activities(neutral))[1:]], 1)
        if self.head is None:
            self.head = nn.Linear(features.shape[1], 10)
            self.head_adam = torch.optim.Adam(self.head.parameters(), lr=1e-3)
        loss = F.cross_entropy(self.head(features), classes)
        self.head_adam.zero_grad()
        loss.backward()
        self.head_adam.step()
        self.log.append(loss.item())
