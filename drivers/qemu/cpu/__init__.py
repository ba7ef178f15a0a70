"""CPU models: libvirt's names and sets of features, and what a guest of this host gets of them."""
