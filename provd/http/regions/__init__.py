"""What devices ask about their home, and what other instances say, over HTTP."""
