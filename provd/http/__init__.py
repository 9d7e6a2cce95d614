"""HTTP: files for phones, the control socket and the page."""
