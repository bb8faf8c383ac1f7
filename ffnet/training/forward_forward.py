"""One step of learning: forward-forward, layer by layer in closed form, or back-propagation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.data.augment import draw_moves, moved
from ffnet.data.dataset import Split
from ffnet.labels.embed import Imprints, unit
from ffnet.model.baseline import BPNet, loss_and_hits
from ffnet.model.fast_cpu.scratch import Scratch, keep_memory
from ffnet.model.layer import LocalLayer
from ffnet.model.net import FFNet, offer
from ffnet.system.ranks import ALONE, Ranks
from ffnet.training import negatives
from ffnet.training.losses import Scale, discriminates, get_loss
from ffnet.training.peer import PeerNormalization, mean_activity

Metrics = dict[str, object]


class Draws:
    """All that is random in an epoch: a function of (seed, epoch), the same on every device.

    Attributes
    ----------
    epoch
        From 0.
    order_SB
        Indices of the images of every step; a remainder smaller than a batch waits for another epoch.
    labels_SBK
        The right label of each, then its wrong ones; on the device `labels_on`, that of the classes unless given.
    noise_SBK
        Uniform draws in [0, 1), for hard negatives.
    moves_SB3
        How each image is moved, where images are (`ffnet.data.augment`).
    """

    def __init__(
        self, config: Config, classes: Tensor, count: int, epoch: int, *, labels_on: torch.device | None = None
    ) -> None:
        self.epoch = epoch
        rng = np.random.default_rng([config.seed, epoch])
        batch = min(config.train.batch, len(classes))
        steps = len(classes) // batch
        order = rng.permutation(len(classes))[: steps * batch].reshape(steps, batch)
        right = classes.cpu().numpy()[order]
        each = config.train.negatives_each
        draw = negatives.balanced if config.train.negatives == "balanced" else negatives.uniform
        wrong = draw(right, each, count, rng) if count > 1 else np.empty((*right.shape, 0), np.int64)
        self.order_SB = torch.from_numpy(order).to(classes.device)
        labels_SBK = torch.from_numpy(np.concatenate([right[..., None], wrong], -1))
        self.labels_SBK = labels_SBK.to(labels_on or classes.device)
        self.noise_SBK = torch.from_numpy(rng.random((steps, batch, each), np.float32)).to(classes.device)
        self.crop, self.moves_SB3 = config.train.crop, None
        if config.train.crop or config.train.flip:
            moves = draw_moves((steps, batch), config.train.crop, config.train.flip, rng)
            self.moves_SB3 = torch.from_numpy(moves).to(classes.device)

    def __len__(self) -> int:
        return len(self.order_SB)

    def images(self, train: Split, k: int, share: slice = slice(None)) -> Tensor:
        """Return step k's images, or a share of them, moved where images are."""
        images_BCHW = train.images[self.order_SB[k, share]]
        return images_BCHW if self.moves_SB3 is None else moved(images_BCHW, self.moves_SB3[k, share], self.crop)


class Learner(Protocol):
    """What the loop needs of an algorithm."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer of all layers."""
        ...

    @property
    def labels_on(self) -> torch.device | None:
        """Return where it wants the labels of an epoch."""
        ...

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Learn from step k's images."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return all state beside the net's and the optimizer's, by name; written to when it is restored."""
        ...

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite; waits for the device."""
        ...

    def epoch_metrics(self) -> Metrics:
        """Return the epoch's figures and begin anew; waits for the device."""
        ...


class _Tally:
    """Figures of an epoch, added up on the device, and the step at which they ceased to be finite."""

    def __init__(self, like: Tensor, *shape: int) -> None:
        self.sums = like.new_zeros(shape)
        self.steps = like.new_zeros(())
        self.bad_step = like.new_full((), torch.inf)

    def end_step(self) -> None:
        """Count a step whose figures were added."""
        self.steps += 1
        self.bad_step = torch.where(self.sums.isfinite().all(), self.bad_step, self.bad_step.minimum(self.steps))

    def first_bad_step(self) -> int | None:
        """Return the first step whose figures were not finite."""
        found = float(self.bad_step)
        return int(found) if found != float("inf") else None

    def take_means(self) -> Any:
        """Return the means over the steps, as nested lists, and begin anew."""
        means = (self.sums / self.steps.clamp_min(1)).tolist()
        self.sums.zero_()
        self.steps.zero_()
        return means

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds of it: one is written only while all is finite."""
        return {"sums": self.sums, "steps": self.steps}


class FFLearner:
    """Every layer learns from its own goodness, as soon as it is active; the next one receives what it passed on.

    Parameters
    ----------
    net
        The net.
    images
        How many training images there are: hard negatives keep a row of logits for each.
    ranks
        The processes that train the net together: each sees its share of every batch, all keep the same state.
    """

    def __init__(self, net: FFNet, images: int, ranks: Ranks = ALONE) -> None:
        config = net.config
        self.net, self.config, self.ranks = net, config, ranks
        for layer in net.layers:
            cast(LocalLayer, layer).ranks = ranks
        self.loss = get_loss(config.train.loss)
        self.first_layer, detach = config.net.first_layer, config.net.detach
        depth = len(net.layers)
        joined = depth if not detach else 2 if self.first_layer == "with_next" else 1
        self.blocks = [range(joined), *(range(k, k + 1) for k in range(joined, depth))]
        """Layers that learn together; one each, unless gradients are to cross."""
        self.learning = [k for k in range(depth) if k > 0 or self.first_layer != "random"]
        self.parameters = [p for k in self.learning for p in net.layers[k].parameters()]
        self.optimizer = make_optimizer(self.parameters, config)
        biases = [cast(LocalLayer, layer).bias for layer in net.layers]
        self.peer = PeerNormalization(config.train.peer, biases, ranks) if config.train.peer else None
        self.tally = _Tally(next(net.parameters()).detach(), depth, 2)
        self.figures = torch.zeros_like(self.tally.sums)
        """Loss and discrimination accuracy of every layer in the step."""
        self.scratch = Scratch()
        self.imprints: Imprints | None = None
        """Those of the training images, once there was a step, where they are kept."""
        self.peaks = [torch.zeros_like(cast(LocalLayer, layer).bias.detach()) for layer in net.layers]
        self.last_theta = 1.0
        """What the goodness of the last layer is divided by in the table: its threshold, where that is above 1."""
        self.hard = config.train.hard
        self.table = torch.zeros(images if self.hard else 0, len(net.labels), device=net.device)

    @property
    def labels_on(self) -> torch.device | None:
        """Labels that are drawn image by image are grouped on the host: there they need not be waited for."""
        on_host = not self.net.labels.labeler.image_independent and not self.hard
        return torch.device("cpu") if on_host else None

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Draw the labels, then let each layer see, learn, pool, pass on."""
        if self.config.net.init == "measured" and draws.epoch == 0 and k == 0:
            scale_weights(self.net, train, draws, self.ranks)
        index_B, labels_BK = draws.order_SB[k], draws.labels_SBK[k]
        if self.config.labels.cache and not self.imprints and not self.net.labels.labeler.image_independent:
            self.imprints = Imprints(self.net.embedder, train.images, self.config.labels.cache)
        if self.hard:
            even = self.config.train.negatives == "hard-balanced"
            wrong_BK = negatives.hard(labels_BK[:, 0], draws.noise_SBK[k], self.table[index_B], even=even)
            labels_BK = torch.cat([labels_BK[:, :1], wrong_BK], 1)
        share = self.ranks.share(len(index_B))
        self.learn(draws.images(train, k, share), labels_BK[share], index_B[share])

    @torch.no_grad()
    def learn(self, images_BCHW: Tensor, labels_BK: Tensor, index_B: Tensor | None = None) -> None:
        """Take one step on images with a right label (column 0) and wrong ones.

        Parameters
        ----------
        images_BCHW
            Bytes or floats in [0, 1].
        labels_BK
            Labels to draw; K − 1 wrong ones.
        index_B
            Which of the training images they are: what imprints and rows of the table of hard negatives they own.
        """
        self.net.train()
        each = labels_BK.shape[1]
        images_BCHW = unit(images_BCHW, self.net.wide)
        # All positives first, then all first negatives, and so on.
        labels_N, imprints = labels_BK.T.reshape(-1), None
        if self.imprints and index_B is not None:
            imprints = self.imprints.take(index_B.repeat(each), labels_N, self.net.wide)
        images_NCHW = images_BCHW.repeat(each, 1, 1, 1)
        x_NCHW, label_NCHW = self.net.received(self.net.embedder.embed(images_NCHW, labels_N, imprints))
        for block in self.blocks:
            if block[0]:
                x_NCHW, label_NCHW = offer(x_NCHW, label_NCHW)
            if len(block) == 1:
                layer = cast(LocalLayer, self.net.layers[block[0]])
                x_NCHW = layer.normalize_(x_NCHW, self.scratch)  # in this name, so that nothing holds what it was
                x_NCHW, g_BK = self._local(block[0], x_NCHW, each)
            else:
                x_NCHW, g_BK = self._joint(block, x_NCHW, label_NCHW, each)
        self.ranks.finish()
        self.optimizer.step()
        self.tally.sums += self.ranks.mean(self.figures)
        self.tally.end_step()
        if len(self.table) and index_B is not None:
            hardness_BK = self.ranks.gathered(self.config.train.alpha / self.last_theta * g_BK)
            rows_B, labels_BK = self.ranks.gathered(index_B), self.ranks.gathered(labels_BK)
            self.table[rows_B[:, None], labels_BK] = hardness_BK.to(self.table.dtype)

    def _local(self, k: int, normal_NCHW: Tensor, each: int) -> tuple[Tensor, Tensor]:
        """Return what a layer passes on and its goodness; its gradient is left with its weights."""
        layer = cast(LocalLayer, self.net.layers[k])
        y_NCHW = layer.activity(normal_NCHW, self.scratch)
        s_NC = layer.squares(y_NCHW)
        with torch.enable_grad():
            s_NC.requires_grad_()
            loss, g_BK = self._objective(k, s_NC, layer.goodness_pixels(y_NCHW), each)
        if k in self.learning:
            learned = [] if layer.goodness_weight is None else [layer.goodness_weight]
            slope_NC, *by_weight_C = torch.autograd.grad(loss, [s_NC, *learned])
            offset_NC = self.peer.offset(k, y_NCHW, len(y_NCHW) // each) if self.peer else None
            layer.weight.grad, layer.bias.grad = layer.gradient(
                normal_NCHW, y_NCHW, slope_NC, self.scratch, offset_NC=offset_NC
            )
            for parameter, gradient in zip(learned, by_weight_C, strict=True):
                parameter.grad = gradient
            self.ranks.begin_mean(layer.weight.grad, layer.bias.grad, *by_weight_C)
        return layer.pooled(y_NCHW), g_BK

    def _joint(self, block: range, x_NCHW: Tensor, label_NCHW: Tensor | None, each: int) -> tuple[Tensor, Tensor]:
        """Do the same for layers that learn together, by autograd: not layer-local."""
        total: Tensor | float = 0.0
        with torch.enable_grad():
            for k in block:
                layer = cast(LocalLayer, self.net.layers[k])
                if k > block[0]:
                    x_NCHW, label_NCHW = offer(x_NCHW, label_NCHW)
                y_NCHW = layer(x_NCHW)
                loss, g_BK = self._objective(k, layer.squares(y_NCHW), layer.goodness_pixels(y_NCHW), each)
                if k in self.net.counted or self.first_layer == "local":
                    total = total + loss
                    if self.peer:
                        total = total + self.peer.loss(k, mean_activity(y_NCHW, len(y_NCHW) // each))
                x_NCHW = layer.pooled(y_NCHW)
            parameters = [p for k in block if k in self.learning for p in self.net.layers[k].parameters()]
            # What weighs the goodness of a layer whose loss is not in the sum has no gradient, and stays.
            gradients = torch.autograd.grad(cast(Tensor, total), parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
        return x_NCHW.detach(), g_BK.detach()

    def _objective(self, k: int, s_NC: Tensor, pixels: int, each: int) -> tuple[Tensor, Tensor]:
        """Return the layer's loss (with its graph) and goodness; its figures are added up on the device."""
        g_BK = self.net.goodness_of(k, s_NC, pixels).view(each, -1).T
        self.last_theta = max(1.0, self.net.goodness.theta(s_NC.shape[1], pixels))
        scale = self.scale(s_NC.shape[1], pixels)
        loss = self.loss(g_BK, scale).mean()
        right = discriminates(g_BK.detach(), self.config.train.loss, scale).mean()
        self.figures[k] = torch.stack([loss.detach(), right.to(loss.dtype)])
        largest_C = s_NC.detach().view(len(s_NC), len(self.peaks[k]), -1).amax((0, 2))
        torch.maximum(self.peaks[k], largest_C, out=self.peaks[k])
        return loss, g_BK.detach()

    def scale(self, channels: int, pixels: int) -> Scale:
        """Return what turns a layer's goodness into logits."""
        train = self.config.train
        theta = self.net.goodness.theta(channels, pixels) if train.theta is None else train.theta
        return Scale(theta, train.temperature, train.alpha)

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of the epoch so far, the table of hard negatives, running means of peer normalisation."""
        peaks = {f"peak.{k}": self.ranks.largest_(peak) for k, peak in enumerate(self.peaks)}
        means = {f"peer.{k}": mean_C for k, mean_C in enumerate(self.peer.means if self.peer else [])}
        return {**self.tally.tensors(), "table": self.table, **peaks, **means}

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite."""
        return self.tally.first_bad_step()

    def epoch_metrics(self) -> Metrics:
        """Return each layer's mean loss and discrimination accuracy, and which layers are dead."""
        mean = self.tally.take_means()
        peaks = [float(self.ranks.largest_(peak).max()) for peak in self.peaks]
        dead = [k + 1 for k, peak in enumerate(peaks) if k in self.learning and peak == 0]
        for peak in self.peaks:
            peak.zero_()
        return {
            "loss": sum(mean[k][0] for k in self.net.counted),
            "layer_loss": [loss for loss, _ in mean],
            "discrimination": [right for _, right in mean],
            "dead_layers": dead,
        }


class BPLearner:
    """The baseline's step: cross-entropy, end to end."""

    def __init__(self, net: BPNet) -> None:
        self.net, config = net, net.config
        self.optimizer = make_optimizer(list(net.parameters()), config)
        self.tally = _Tally(next(net.parameters()).detach(), 2)

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Take one step."""
        self.net.train()
        index_B = draws.order_SB[k]
        loss, hits = loss_and_hits(self.net, draws.images(train, k), train.classes[index_B])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.tally.sums += torch.stack([loss.detach(), hits / len(index_B)])
        self.tally.end_step()

    @property
    def labels_on(self) -> torch.device | None:
        """There are no labels to draw."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of the epoch so far."""
        return self.tally.tensors()

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite."""
        return self.tally.first_bad_step()

    def epoch_metrics(self) -> Metrics:
        """Return the mean loss and the accuracy on the training images as they came."""
        loss, right = self.tally.take_means()
        return {"loss": loss, "train_accuracy": right}


def make_optimizer(parameters: Sequence[nn.Parameter], config: Config) -> torch.optim.Optimizer:
    """Return Adam for parameters in their order; weights decay as ``train.weight_decay`` says, biases do not."""
    train = config.train
    if not train.weight_decay:
        return torch.optim.Adam(parameters, lr=train.lr, fused=True)
    groups = [{"params": [p], "weight_decay": train.weight_decay if p.ndim > 1 else 0.0} for p in parameters]
    return torch.optim.Adam(groups, lr=train.lr, fused=True)


def scale_weights(net: FFNet, train: Split, draws: Draws, ranks: Ranks = ALONE) -> None:
    """Scale the weights of every layer by the first step's images and labels (``net.init=measured``)."""
    net.train()
    share = ranks.share(len(draws.order_SB[0]))
    labels_BK = draws.labels_SBK[0, share]
    images_NCHW = net.prepare(draws.images(train, 0, share)).repeat(labels_BK.shape[1], 1, 1, 1)
    net.scale_weights(net.embedder.embed(images_NCHW, labels_BK.T.reshape(-1)), ranks)


def make_learner(net: nn.Module, images: int, ranks: Ranks = ALONE) -> Learner:
    """Return the learner of a net's algorithm.

    Raises
    ------
    FFLabelsError
        When several ranks are to train what is not layer-local, or cannot share a batch equally.
    """
    check_ranks(cast(FFNet, net).config, images, ranks)
    keep_memory()
    return BPLearner(net) if isinstance(net, BPNet) else FFLearner(cast(FFNet, net), images, ranks)


def check_ranks(config: Config, images: int, ranks: Ranks) -> None:
    """Refuse several ranks for what is not layer-local, or for a batch of so many images that has no equal shares."""
    batch = min(config.train.batch, images)
    if ranks.size > 1 and not config.layer_local:
        raise FFLabelsError(
            "not layer-local", where=f"{ranks.size} ranks", expected="layers that learn alone", hint="train it with one"
        )
    if batch % ranks.size:
        raise FFLabelsError(
            "no equal shares", where="train.batch", got=batch, expected=f"a multiple of the {ranks.size} ranks"
        )
