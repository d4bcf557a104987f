"""Settings: sections that refuse unknown names, and the TOML document that describes them."""
