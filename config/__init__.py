"""Settings: documented defaults, then a root's own files, the environment, and the arguments of ``open``."""
