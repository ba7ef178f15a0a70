"""The operations on pools and volumes; no pykka, no zmq."""
