"""A page that runs an exported pose net in the browser: `python -m export.web`."""
