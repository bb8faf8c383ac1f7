"""The machine: devices, ranks, signals and optimizers; independent of nets, labels and data sets."""
