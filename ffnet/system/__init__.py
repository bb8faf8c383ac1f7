"""The machine: devices, ranks and signals; independent of nets, labels and data sets."""
