"""Which of the processes of a run writes its files."""

_is_here = True


def write_here(is_here: bool) -> None:
    """Say whether this process writes: of several that do one run, one does.

    Where it does not, `write_file` and all that write by it leave the files to the
    process that does, and return what they would have returned.
    """
    global _is_here
    _is_here = is_here


def is_writer() -> bool:
    """Whether this process writes; so it is unless `write_here` said otherwise.

    Examples:
        >>> is_writer()
        True
    """
    return _is_here
