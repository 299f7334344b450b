# SPDX-License-Identifier: Apache-2.0
"""Content codings put on, as senders do; zstd and snappy, which Python does
not carry, in their plainest form (RFC 8878; snappy's format_description)."""

import gzip
import struct
import zlib


def _zstd_block(last, kind, size, content):
    return (last | kind << 1 | size << 3).to_bytes(3, "little") + content


def zstd(text):
    """One frame of raw blocks."""
    head = struct.pack("<IBQ", 0xfd2fb528, 0xe0, len(text))
    step = 1 << 16
    parts = [text[i:i + step] for i in range(0, len(text), step)] or [b""]
    return head + b"".join(
        _zstd_block(i == len(parts) - 1, 0, len(part), part)
        for i, part in enumerate(parts))


def zstd_zeros(count):
    """One frame that says count zeros in blocks of a repeated byte."""
    head = struct.pack("<IBB", 0xfd2fb528, 0, 7 << 3)  # a window of 128 KiB
    step = 1 << 17
    blocks = -(-count // step)
    return head + b"".join(
        _zstd_block(i == blocks - 1, 1, step, b"\0") for i in range(blocks))


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def snappy(text):
    """One block of literals."""
    out = varint(len(text))
    for i in range(0, len(text), 1 << 16):
        part = text[i:i + (1 << 16)]
        out += b"\xf4" + struct.pack("<H", len(part) - 1) + part
    return out


def snappy_zeros(count):
    """One block: a zero, and copies of it."""
    copies, rest = divmod(count - 1, 64)
    out = varint(count) + b"\0\0" + b"\xfe\x01\0" * copies
    return out + (bytes([(rest - 1) << 2 | 2]) + b"\x01\0" if rest else b"")


PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd,
        "snappy": snappy}


def zeros(coding, count):
    """A body that is small and holds count zeros."""
    if coding == "zstd":
        return zstd_zeros(count)
    if coding == "snappy":
        return snappy_zeros(count)
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    step = 1 << 20
    return b"".join(packer.compress(bytes(min(step, count - i)))
                    for i in range(0, count, step)) + packer.flush()
