"""TFTP (RFC 1350, 2347-2349, 7440): codec, sans-IO transfer and the server that owns the sockets."""
