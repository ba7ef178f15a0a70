"""Hands on the world: a file for each kind of pool, files and their copies, qemu-img as a child."""
