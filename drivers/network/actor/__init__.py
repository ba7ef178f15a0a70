"""The actor of the network driver: message, service, reply."""
