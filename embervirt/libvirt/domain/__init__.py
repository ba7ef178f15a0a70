"""``virDomain``: reads look up what the actors publish; the rest is a call.

A kind of call is a mixin on ``base.Handle`` in a file of its own; ``handle`` puts them together.
"""

from __future__ import annotations

from embervirt.libvirt.domain.handle import virDomain as virDomain
from embervirt.libvirt.domain.lifecycle import START_AUTODESTROY as START_AUTODESTROY
from embervirt.libvirt.domain.lifecycle import START_VALIDATE as START_VALIDATE
from embervirt.libvirt.domain.lifecycle import TRANSIENT_STARTS as TRANSIENT_STARTS
from embervirt.libvirt.domain.lifecycle import destroyer as destroyer
