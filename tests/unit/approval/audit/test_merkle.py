"""Invariant: the root is that of RFC 9162 for every size, however often the tree was put away and taken up again."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from middlewatch.approval.audit.merkle import Frontier, leaf_hash

LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The test vectors of the reference implementation of certificate transparency (google/certificate-transparency)."""


def test_it_gives_the_roots_of_the_reference_implementation() -> None:
    tree = Frontier()
    assert tree.root() == hashlib.sha256(b"").digest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(leaf_hash(bytes.fromhex(leaf)))
        assert tree.root().hex() == root


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=70))
def test_every_root_is_pymerkles(contents: list[bytes]) -> None:
    tree, theirs = Frontier(), InmemoryTree(algorithm="sha256")
    for content in contents:
        tree.add(leaf_hash(content))
        theirs.append_entry(content)
        assert tree.root() == theirs.get_state()


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_tree_that_was_put_away_goes_on_as_if_it_had_not_been(before: int, after: int) -> None:
    whole, resumed = Frontier(), Frontier()
    for n in range(before + after):
        if n == before:
            resumed = Frontier(resumed.size, resumed.roots)
        for tree in (whole, resumed):
            tree.add(leaf_hash(b"%d" % n))
    assert resumed.root() == whole.root()
    assert len(whole.roots) == whole.size.bit_count() <= max(1, whole.size).bit_length()


@pytest.mark.parametrize(("size", "roots"), [(1, []), (0, [b"x" * 32]), (3, [b"x" * 32]), (1, [b"short"]), (-1, [])])
def test_nodes_of_another_size_are_refused(size: int, roots: list[bytes]) -> None:
    with pytest.raises(ValueError, match="not those of a tree"):
        Frontier(size, roots)


def test_a_leaf_cannot_pass_for_a_node() -> None:
    """The reason of the prefixes: without them a line of 64 bytes could stand for two lines."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    two, one = Frontier(), Frontier()
    two.add(left)
    two.add(right)
    one.add(leaf_hash(left + right))
    assert two.root() != one.root()
