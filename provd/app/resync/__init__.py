"""Re-synchronisation: seeing to it that a device fetches its files when they have changed.

``notes`` decides that it must and writes it down with the change, ``agenda`` when it is told, ``orders`` what it is
told, ``caller`` tells it; ``due`` is when it comes by itself.
"""
