"""The Merkle tree of RFC 9162 (section 2.1), kept as the few nodes that are needed to go on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32


def leaf_hash(content: bytes) -> bytes:
    """SHA-256 of 0x00 and the content: the hash of a leaf (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and the hashes of both children (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: the roots of its perfect subtrees, one for each 1 in its size in binary, the largest first.

    A tree of n leaves takes at most log2(n) + 1 hashes to keep, to extend by a leaf, and to compute the root of.
    """

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        """Go on with a tree.

        Raises:
            ValueError: a tree of this size has another number of perfect subtrees, or these are no SHA-256 hashes.
        """
        if size < 0 or len(roots) != size.bit_count() or any(len(root) != HASH_BYTES for root in roots):
            raise ValueError(f"{len(roots)} nodes are not those of a tree of {size} leaves")
        self.size = size
        self._roots = list(roots)

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest subtree first, 32 bytes each."""
        return tuple(self._roots)

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf, as `leaf_hash` gives it."""
        left = self.size
        while left & 1:  # as in counting up in binary: each 1 at the end is a subtree that is complete now
            leaf = node_hash(self._roots.pop(), leaf)
            left >>= 1
        self._roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root hash of the whole tree, 32 bytes; that of an empty tree is the hash of nothing."""
        if not self._roots:
            return hashlib.sha256(b"").digest()
        node = self._roots[-1]
        for left in self._roots[-2::-1]:
            node = node_hash(left, node)
        return node
