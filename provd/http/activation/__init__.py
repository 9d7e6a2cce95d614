"""What devices that are not phones, and their vendors, ask over HTTP."""
