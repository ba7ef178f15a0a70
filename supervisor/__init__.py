"""OTP supervision of actors, and watch over processes. Generic: knows only specifications.

``spec`` says what to supervise, ``policy`` when to restart or give up, ``tree`` which child may start
or stop now (both pure: no threads, no clock), ``supervisor`` carries it out on one thread for a root.
"""
