"""What can happen to a file."""


def emptied(content, rng):
    """Nothing is left."""
    return b""


def zeroed(content, rng):
    """As long as it was, without content: what a power failure leaves."""
    return bytes(len(content))


def cut(content, rng):
    """The end is missing."""
    return content[: rng.randrange(max(1, len(content)))]


def flipped(content, rng):
    """One bit is another."""
    place = rng.randrange(max(1, len(content)))
    other = bytes([content[place] ^ (1 << rng.randrange(8))]) if content else b"x"
    return content[:place] + other + content[place + 1 :]


def spliced(content, rng):
    """A piece of the file in another place."""
    one, two = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:two] + content[one:]


def foreign(content, rng):
    """Something else."""
    return rng.choice([b"[]", b"null", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000, b"{"])


DAMAGE = (emptied, zeroed, cut, flipped, spliced, foreign)


def damage(folder, rng):
    """Damage a file of a folder; what was done, in words."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    if rng.random() < 0.15:
        path.unlink()
        return f"{path.relative_to(folder)} removed"
    how = rng.choice(DAMAGE)
    path.write_bytes(how(path.read_bytes(), rng))
    return f"{path.relative_to(folder)} {how.__name__}"
