"""L3: the use cases. They talk to the ports in :mod:`provd.app.ports` and never to an adapter."""
