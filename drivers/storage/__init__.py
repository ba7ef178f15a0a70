"""The storage driver: pools and volumes."""
