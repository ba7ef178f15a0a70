"""The actor ``storage``, and the jobs that it has done beside it."""
