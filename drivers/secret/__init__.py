"""The secret driver: passwords and keys by UUID or by what they are for, encrypted at rest.

``model`` says what the XML says, ``validate`` checks it, ``service`` decides, ``store`` keeps definitions
and values on disk or in memory, ``backend`` encrypts. A value never travels in a message and never shows
in a repr.
"""
