"""Everything about a root directory: its paths and names, its files, its lock.

``paths`` says where things are, ``files`` writes them so that a crash never tears one, ``lock`` keeps
every other process out, libvirt's embedded driver included.
"""
