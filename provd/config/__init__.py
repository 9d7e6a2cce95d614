"""The configuration file: TOML in, typed settings out."""
