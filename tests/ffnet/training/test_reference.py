"""A whole training run with the paper's recipe equals the plain network's."""

import torch
from plain import PlainNet, wave

import ffnet
from ffnet.training.draws import Draws


def test_training_with_the_papers_recipe_equals_the_plain_network():
    config = ffnet.load_preset("paper-mnist").config.override(
        [
            "data.name=digits", "data.limit=100", "net.widths=[6,8,8]", "net.kernel=5", "net.pools=[1,2,1]",
            "train.epochs=4", "train.lr=1e-3", "inference.linear_epochs=1",
            "net.first_layer=local", "train.peer=0", "train.relu_gradient=true", "train.weight_decay=0",
        ]
    )  # fmt: skip
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    plain = PlainNet(
        [layer.weight.detach() for layer in net.layers],
        [layer.bias.detach() for layer in net.layers],
        config.net.pools,
        torch.stack([wave(recipe, 16, 16) for recipe in net.labels.recipes]).float(),
        config.labels.intensity,
    )
    epochs = []
    for epoch in range(4):
        draws = Draws(config, data.train.classes, 10, epoch)
        epochs.append([(i, lab[:, 0], lab[:, 1]) for i, lab in zip(draws.order_SB, draws.labels_SBK, strict=True)])
    # The paper's cooldown from the half on: 2·lr/E·(1 + E − e), e from 1.
    plain.train(data.train.images / 255, epochs, [1e-3, 1e-3, 2e-3 / 4 * 2, 2e-3 / 4 * 1])

    before = net.layers[1].weight.detach().clone()
    ffnet.fit(net, data)
    assert (net.layers[1].weight - before).abs().max() > 3e-3
    for layer, weight, bias in zip(net.layers, plain.weights, plain.biases, strict=True):
        torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-4)
        torch.testing.assert_close(layer.bias, bias, rtol=0, atol=1e-4)
    predicted = plain.predict(data.validation.images / 255)
    assert torch.equal(ffnet.predict(net, data.validation.images, inference="goodness"), predicted)
    assert len(predicted.unique()) > 1
