"""What values of parameters stand for."""


def resolved(value, auto):
    """Return the value of a parameter, or what "auto" stands for."""
    return auto if isinstance(value, str) and value == "auto" else value
