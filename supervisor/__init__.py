"""OTP supervision of actors, and watch over processes. Generic: knows only specifications.

``spec`` says what to supervise, ``policy`` when to restart or give up, ``state`` how each child stands,
``tree`` which may start or stop now (all pure: no threads, no clock); ``supervisor`` carries it out on one
thread for a root. ``identity``, ``recorder`` and ``processes`` are about processes.
"""
