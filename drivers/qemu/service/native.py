"""The command line that a domain would be started with: libvirt's ``domainXMLToNative``, nothing is run."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import replace

from embervirt import world
from embervirt.drivers.qemu import parts
from embervirt.drivers.qemu.backend.protocol import environment
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.parts import KEY_BYTES, CompileContext, passthrough
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import prepare, volumes
from embervirt.drivers.qemu.service.keys import MasterKey
from embervirt.errors import InvalidArgument

FORMAT = "qemu-argv"
NO_RUN = -1
"""The id of a domain that does not run, as it stands in paths: ``domain--1-NAME``."""


def to_native(face: Face, format_: str, xml: str) -> str:
    """Environment and arguments, quoted for a shell. A secret that the domain names must have its value.

    Raises InvalidArgument for another format, what ``Face.read`` raises, NoSecret.
    """
    if format_ != FORMAT:
        text = f"unsupported config type {format_}; known is {FORMAT}"
        raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
    domain, complete = face.read(xml)
    plan = prepare.prepared(Plan(NO_RUN, domain, complete), face)
    plan = replace(plan, domain=volumes.all_found(plan.domain, face.bus.call))
    variables = environment(plan.directory(face.paths)) | passthrough.environment(plan.domain)
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join([*words, shlex.join(_arguments(face, plan))])


def _arguments(face: Face, plan: Plan) -> list[str]:
    key = MasterKey(secrets.token_bytes(KEY_BYTES))
    context = CompileContext(
        domain_id=plan.id,
        domain_dir=str(plan.directory(face.paths)),
        ram_path=str(plan.ram_dir(face.paths, face.settings.qemu.memory_backing_dir)),
        monitor_fd=None,
        console_log=None,
        secret=lambda reference: key.fetch(reference, face.bus.call, face.bus),
        huge_page_dirs=prepare.huge_page_dirs(face.paths),
        now=world.wall(),
        tls_dir=str(face.paths.tls),
        passt_dir=str(face.paths.path / "run/qemu/passt"),
    )
    capabilities = face.capabilities(plan.domain.devices.emulator)
    compiled = parts.compile(plan.domain, capabilities, context)
    return [plan.domain.devices.emulator or capabilities.binary, *parts.argv(compiled)]
