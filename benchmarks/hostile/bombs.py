"""Files made to do harm: small ones that ask for much, and ones that ask for what is not theirs."""

import struct
import zlib


def recipes() -> list[bytes]:
    """Anchors that explode, deep nesting, Python's names, doubled keys, a number of a million digits."""
    laugh = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    network = "network: [linear: outputs]\nobjective: softmax\ndata: digits\n"
    return [
        f"a0: &a0 x\n{laugh}\nnetwork: *a11\n".encode(),
        b"network: " + b"[" * 100_000,
        b"network: " + b"{a: " * 20_000,
        network.encode() + b"seed: !!python/object/apply:os.system ['true']\n",
        network.encode() + network.encode(),
        network.encode() + b"seed: " + b"9" * 1_000_000,
        network.encode() + b"network: &n [chain: *n]\n",
        b"network:\n" + b"  - relu\n" * 200_000,
        b"network: [repeat: {layers: [repeat: {layers: [relu], times: 100000}], times: 100000}]\n",
        b"network: [conv: {filters: 1000000000, kernel: 3}, linear: outputs]\nobjective: softmax\ndata: digits\n",
        b"data: {table: {path: ../../../../etc/passwd, target: root}}\nnetwork: [linear: 1]\nobjective: softmax\n",
    ]


def zeros(size: int) -> bytes:
    """So many zeros, gzipped: a thousandth of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def idx_gz() -> list[bytes]:
    """Headers that promise terabytes, with and without a stream of zeros behind."""
    head = bytes([0, 0, 8, 3]) + struct.pack(">III", 1 << 31, 1 << 20, 1 << 10)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return [packer.compress(head) + packer.flush(), zeros(1 << 30)]


def idx() -> list[bytes]:
    return [bytes([0, 0, 8, 8]) + b"\xff" * 32, bytes([0, 0, 14, 3]) + struct.pack(">III", 1 << 16, 1 << 16, 1 << 16)]


def npy(shape: str, kind: str = "|u1") -> bytes:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


def npys() -> list[bytes]:
    """Huge shapes, objects (which are pickles), an endless header, a header that is an expression."""
    return [
        npy("(1099511627776,)"),
        npy("(0, 1099511627776)"),
        npy("(1,)", "|O") + b"cos\nsystem\n(S'true'\ntR.",
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF),
        npy("__import__('os').getcwd()"),
        npy("(" * 5000 + ")" * 5000),
    ]


def csvs() -> list[bytes]:
    """Huge fields, quotes that never close, a hundred thousand columns, zeros."""
    return [
        b"a,b\n" + b"x" * 5_000_000 + b",1\n2,3\n",
        b'a,b\n"' + b"x,\n" * 500_000,
        b",".join(b"c%d" % i for i in range(100_000)) + b"\n" + b",".join([b"1"] * 100_000) + b"\n",
        b"a,b\n" + b"\0" * 100_000,
        b"a,b\n" + b",".join([b"1"] * 1_000_000) + b"\n",
    ]


def png() -> list[bytes]:
    """Eight hundred bytes that unfold to a gigabyte of pixels, and text chunks that do."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def of(width: int, height: int, *more: bytes) -> bytes:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        pixels = chunk(b"IDAT", zlib.compress(bytes(1 << 20), 9))
        return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + pixels + chunk(b"IEND", b"")

    text = chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(64 << 20), 9))
    return [of(20_000, 20_000), of(2**31 - 1, 2**31 - 1), of(8, 8, text), of(12_000, 8_000)]


def safetensors() -> list[bytes]:
    """A header longer than any file, offsets beyond the end, shapes whose product overflows."""

    def of(head: bytes, data: bytes = b"") -> bytes:
        return struct.pack("<Q", len(head)) + head + data

    return [
        struct.pack("<Q", 2**63) + b"{}",
        of(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', bytes(4)),
        of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999]}}', bytes(4)),
        of(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
        of(b'{"__metadata__":{"sha256":"' + b"x" * 1_000_000 + b'"}}'),
    ]


def facts() -> list[bytes]:
    return [b"[" * 100_000, b'{"input": ' * 50_000, b'{"input": {"shape": [1000000000, 1000000000]}}', b"9" * 1_000_000]
