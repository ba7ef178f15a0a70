"""libvirt-python's constants."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

import peer
from embervirt import constants
from embervirt.constants import _qemu

SAMPLE: dict[str, int | str] = {
    "VIR_DOMAIN_NOSTATE": 0,
    "VIR_DOMAIN_RUNNING": 1,
    "VIR_DOMAIN_SHUTOFF": 5,
    "VIR_DOMAIN_PMSUSPENDED": 7,
    "VIR_DOMAIN_SHUTOFF_CRASHED": 3,
    "VIR_DOMAIN_XML_SECURE": 1,
    "VIR_DOMAIN_XML_INACTIVE": 2,
    "VIR_DOMAIN_UNDEFINE_NVRAM": 4,
    "VIR_DOMAIN_EVENT_ID_LIFECYCLE": 0,
    "VIR_DOMAIN_EVENT_STOPPED_FAILED": 5,
    "VIR_DOMAIN_AFFECT_CONFIG": 2,
    "VIR_DOMAIN_JOB_COMPLETED": 3,
    "VIR_MIGRATE_LIVE": 1,
    "VIR_MIGRATE_PARAM_URI": "migrate_uri",
    "VIR_DOMAIN_SCHEDULER_CPU_SHARES": "cpu_shares",
    "VIR_DOMAIN_PROCESS_SIGNAL_KILL": 9,
    "VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY": 16,
    "VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN": 2,
    "VIR_NETWORK_UPDATE_COMMAND_ADD_LAST": 3,
    "VIR_STORAGE_POOL_RUNNING": 2,
    "VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA": 1,
    "VIR_SECRET_USAGE_TYPE_NONE": 0,
    "VIR_SECRET_USAGE_TYPE_VTPM": 5,
    "VIR_CONNECT_LIST_SECRETS_NO_PRIVATE": 8,
    "VIR_SECRET_EVENT_UNDEFINED": 1,
    "VIR_CRED_PASSPHRASE": 5,
    "VIR_CONNECT_CLOSE_REASON_CLIENT": 3,
    "VIR_EVENT_HANDLE_HANGUP": 8,
    "VIR_STREAM_NONBLOCK": 1,
    "VIR_NODE_CPU_STATS_IDLE": "idle",
    "VIR_CONNECT_LIST_INTERFACES_ACTIVE": 2,
    "VIR_ERR_OK": 0,
    "VIR_ERR_NO_DOMAIN": 42,
    "VIR_ERR_OPERATION_INVALID": 55,
    "VIR_ERR_NO_SECRET": 66,
    "VIR_ERR_CONFIG_UNSUPPORTED": 67,
    "VIR_ERR_RESOURCE_BUSY": 87,
    "VIR_FROM_QEMU": 10,
    "VIR_FROM_SECRET": 30,
    "VIR_FROM_URI": 45,
}


def public() -> dict[str, object]:
    """What ``from embervirt.constants import *`` gives."""
    return {name: value for name, value in vars(constants).items() if not name.startswith("_")}


def test_a_sample_has_libvirts_numbers() -> None:
    """Spelled by hand from libvirt's manual pages."""
    assert {name: public().get(name) for name in SAMPLE} == SAMPLE


def test_there_are_all_of_them_and_nothing_else() -> None:
    """959 numbers and 235 texts; ``import *`` brings no other name along."""
    values = list(public().values())
    assert all(name.startswith("VIR_") for name in public())
    assert sum(type(value) is int for value in values) == 959
    assert sum(type(value) is str for value in values) == 235


def test_they_are_cheap_to_import() -> None:
    """The modules import nothing but ``typing`` and each other."""
    for file in Path(constants.__file__).parent.glob("*.py"):
        imported = {
            node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)
        }
        assert all(name == "typing" or str(name).startswith("embervirt.constants.") for name in imported), (
            file
        )


def _installed(module: str) -> dict[str, object]:
    names = "{k: v for k, v in vars(m).items() if k.startswith('VIR_') and isinstance(v, (int, str))}"
    code = f"import json, {module} as m; print(json.dumps({names}))"
    done = subprocess.run([peer.PYTHON, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("module", "ours"), [("libvirt", constants), ("libvirt_qemu", _qemu)])
def test_they_are_those_of_the_installed_libvirt_python(module: str, ours: object) -> None:
    """Where Debian's python3-libvirt is there to ask: every name it has, with its value."""
    if lacks := peer.lacks():
        pytest.skip(lacks)
    theirs = _installed(module)
    assert {name: getattr(ours, name, None) for name in theirs} == theirs
