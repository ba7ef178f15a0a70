"""Network filters: ``<filter>`` and ``<filterref>``, and the rules they are to a guest's tap."""
