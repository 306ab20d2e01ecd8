"""The one exception that means "the user can fix this"."""


class InputError(ValueError):
    """Something that the user gave is wrong: a file, a key, a name, a device.

    The message is one sentence that names what is wrong, where, and the way out. The command line prints it
    without a traceback and exits with status 2.
    """


class DivergedError(InputError):
    """A method gave numbers that are not finite, in training or in prediction."""
