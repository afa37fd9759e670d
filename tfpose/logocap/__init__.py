"""LOGO-CAP: everybody in a picture at once, without boxes."""
