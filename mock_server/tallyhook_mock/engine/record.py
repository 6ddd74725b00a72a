"""What the engine's objects are made of.

A mock holds a million subscriptions as easily as ten only if each weighs little: records are compact, what is
empty is the one empty tuple, and a list that grows is a tuple that is replaced by a longer one.
"""

import msgspec

__all__ = ["Noun", "Record"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A value that never changes once it is made.

    Nothing that it holds leads back to it: it is a part of no cycle, and the garbage collector, which is
    there for cycles, need not look at it.
    """


class Noun(msgspec.Struct, eq=False):
    """Something with a life of its own: it changes, and it equals nothing but itself."""
