"""How the parts of a root talk: messages, codec, exchange, calls in flight, actors, events.

Knows no driver. Start reading at ``messages`` (what is sent), then ``bus`` (who sends), ``actor``
(who answers), ``routes`` (who is there) and ``exchange`` (the sockets in between).
"""
