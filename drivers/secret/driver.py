"""The entry point of the secret driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.libvirtd import Libvirtd
from embervirt.drivers.secret.actor import SecretDriver
from embervirt.drivers.secret.elsewhere import LEAVES, SecretsElsewhere
from embervirt.drivers.secret.face import Face


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read; or one that asks the libvirtd that the settings name."""
    uri = environment.settings.qemu.secret_uri
    if uri is not None:
        libvirtd = Libvirtd(uri, LEAVES)
        environment.resources.callback(libvirtd.close)
        made = environment.child("secret", lambda context: SecretsElsewhere(context, libvirtd))
        return Part(made, elsewhere=uri)
    face = Face(environment)
    return Part(environment.child("secret", lambda context: SecretDriver(context, face)), face)


DRIVER = Driver("secret", open_driver)
