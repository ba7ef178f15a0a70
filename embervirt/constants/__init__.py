# ruff: noqa: F403
"""Every constant of libvirt-python 9.0 with its number or text; those of ``libvirt_qemu`` are in ``_qemu``.

The modules are private so that ``import *`` from here gives the constants and nothing else.
"""


from embervirt.constants._domain import *
from embervirt.constants._domain_agent import *
from embervirt.constants._domain_devices import *
from embervirt.constants._domain_events import *
from embervirt.constants._domain_jobs import *
from embervirt.constants._domain_tuning import *
from embervirt.constants._error_domains import *
from embervirt.constants._errors import *
from embervirt.constants._host import *
from embervirt.constants._network import *
from embervirt.constants._nodedev import *
from embervirt.constants._secret import *
from embervirt.constants._snapshots import *
from embervirt.constants._storage import *
