"""Window, acks and replay under any order of appends, commits, lost streams and lost stores."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nodes.wire.limits import Window
from tests.unit.wire.talk import Journals, Talk

WINDOW = Window(max_updates=8, max_bytes=4000)


class Delivery(RuleBasedStateMachine):
    """The parent's store keeps entries only at `commit`; a cut stream loses what was not committed."""

    @initialize()
    def begin(self) -> None:
        self.journals = Journals(s=0, l=0)
        self.store: dict[str, list[int]] = {"s": [], "l": []}
        self.connect()

    def connect(self) -> None:
        marks = {name: seqs[-1] if seqs else 0 for name, seqs in self.store.items()}
        self.talk = Talk(self.journals, marks=marks, window=WINDOW)
        self.talk.commits = False
        self.seen = 0

    @rule(name=st.sampled_from(["s", "l"]), size=st.integers(0, 1500), count=st.integers(1, 6))
    def append(self, name: str, size: int, count: int) -> None:
        for _ in range(count):
            self.talk.add(name, size)

    @rule()
    def deliver(self) -> None:
        self.talk.pump()

    @rule(part=st.floats(0, 1))
    def commit(self, part: float) -> None:
        """The store commits a prefix of what arrived."""
        arrived = [word for word in self.talk.stored[self.seen :] if word[1:].isdigit()]
        take = round(len(arrived) * part)
        marks: dict[str, int] = {}
        for word in arrived[:take]:
            self.store[word[0]].append(int(word[1:]))
            marks[word[0]] = int(word[1:])
        self.talk.stored = self.talk.stored[: self.seen] + arrived[take:]
        self.talk.parent.acked(marks)

    @rule()
    def cut(self) -> None:
        self.connect()

    @rule()
    def new_store(self) -> None:
        self.store = {"s": [], "l": []}
        self.connect()

    @invariant()
    def nothing_twice_and_no_hole(self) -> None:
        if hasattr(self, "store"):
            for seqs in self.store.values():
                assert seqs == list(range(1, len(seqs) + 1))

    @invariant()
    def window_is_kept(self) -> None:
        if hasattr(self, "talk"):
            waiting = [word for word in self.talk.stored[self.seen :] if word[1:].isdigit()]
            assert len(waiting) <= WINDOW.max_updates

    def teardown(self) -> None:
        """In the end everything arrives."""
        if not hasattr(self, "talk"):
            return
        for _ in range(1000):
            self.talk.pump()
            self.commit(1.0)
            self.talk.pump()
            if self.talk.child.is_drained:
                break
        assert {name: len(seqs) for name, seqs in self.store.items()} == {
            name: len(entries) for name, entries in self.journals.entries.items()
        }
        self.nothing_twice_and_no_hole()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
