"""The entry point of the secret driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.secret.actor import SecretDriver
from embervirt.drivers.secret.face import Face


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read."""
    face = Face(environment)
    return Part(environment.child("secret", lambda context: SecretDriver(context, face)), face)


DRIVER = Driver("secret", open_driver)
