"""The libvirt-shaped face: libvirt-python's classes and functions over the actors of a root."""
