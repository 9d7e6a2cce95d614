"""DHCPv4 (RFC 2131): codec, sans-IO engine and the server that owns the sockets."""
