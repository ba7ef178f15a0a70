"""The entry point of the secret driver."""

from __future__ import annotations

from embervirt.drivers.secret.actor import SecretDriver

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.secret.face import Face
from embervirt.supervisor.child import actor_child


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read."""
    face = Face(environment)
    spec = actor_child(
        "secret", lambda context: SecretDriver(context, face), face.bus, backoff=environment.backoff
    )
    return Part(spec, face)


DRIVER = Driver("secret", open_driver)
