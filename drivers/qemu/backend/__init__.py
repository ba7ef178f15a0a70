"""Hands on QEMU: its processes, its monitors."""
