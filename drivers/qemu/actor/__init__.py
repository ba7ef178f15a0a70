"""The actors of the QEMU driver: one for the definitions (``qemu``), one for each running guest."""
