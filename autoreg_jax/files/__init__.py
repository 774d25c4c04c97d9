"""Files that are written whole or not at all, and read with errors that help."""

from autoreg_jax.files._arrays import read_arrays
from autoreg_jax.files._gzip import compressed
from autoreg_jax.files._owner import contents, make_folder, owned
from autoreg_jax.files._partial import remove_partials
from autoreg_jax.files._records import (
    append_record,
    json_digest,
    plain_json,
    read_json,
    read_records,
    write_json,
)
from autoreg_jax.files._strict import parse_json
from autoreg_jax.files._tables import csv_text, read_scores, write_scores
from autoreg_jax.files._write import (
    flush_to_disk,
    together,
    write_bytes,
    write_file,
    write_text,
)
from autoreg_jax.files._writer import is_writer, write_here

__all__ = [
    "append_record",
    "compressed",
    "contents",
    "csv_text",
    "flush_to_disk",
    "is_writer",
    "json_digest",
    "make_folder",
    "owned",
    "parse_json",
    "plain_json",
    "read_arrays",
    "read_json",
    "read_records",
    "read_scores",
    "remove_partials",
    "together",
    "write_bytes",
    "write_file",
    "write_here",
    "write_json",
    "write_scores",
    "write_text",
]
