"""The operations of the network driver; no actor, no bus."""
