"""Text for a terminal: what would steer it is shown instead of sent."""

import logging


def printable(text: object) -> str:
    r"""A text without control characters, which a name from a file may have.

    Line ends and tabs stay. Others are written as in Python.

    Examples:
        >>> printable("brain\x1b[2J é\n")
        'brain\\x1b[2J é\n'
    """
    return "".join(
        one if one.isprintable() or one in "\n\t" else _escaped(one)
        for one in str(text)
    )


class PrintableFormatter(logging.Formatter):
    """Lines of a log for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, printable."""
        return printable(super().format(record))


def _escaped(one: str) -> str:
    # Half a character, from a name that is not UTF-8, is for the stream to show.
    is_half = "\ud800" <= one <= "\udfff"
    is_space = one.isspace() and one > "\x9f"
    return one if is_half or is_space else repr(one)[1:-1]
