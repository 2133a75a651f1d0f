"""The stream, read as transcripts: `>` child to parent, `<` parent to child, `s7` is entry 7 of the states journal.

Each test names the section of docs/protocol.md that it guards.
"""

from __future__ import annotations

import pytest

from nodes.domain.states import Lane
from nodes.errors import ProtocolViolation, VersionMismatch
from nodes.stream.wire.child_session import ChildSession
from nodes.stream.wire.feed import Feed, InFlight
from nodes.stream.wire.limits import MAX_EPOCH_RISE, MAX_FRAME_BYTES, PROTOCOL_VERSION, Window
from nodes.stream.wire.parent_session import ParentSession
from nodes.stream.wire.session import (
    Acked,
    BaseClientSeen,
    CommandReceived,
    EpochRaised,
    GoAwayReceived,
    GoodbyeReceived,
    HelloReceived,
    JournalBehind,
    Nacked,
    PeerSilent,
    RoundTripMeasured,
    StaleCommand,
    TokensRevoked,
    UpdatesReceived,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.unit.nodes.stream.wire.talk import NODE, Journals, Talk, entry, show

PING = pb.LeaderCommand(ping=pb.Ping())


def _status(seq: int = 0) -> pb.NodeUpdate:
    update = entry("s", seq or 1).update
    if not seq:
        update.seq = 0
        update.journal_id = ""
    return update


# Opening


def test_opening_replays_from_the_mark_and_goes_live() -> None:
    """Section "Opening"."""
    talk = Talk(Journals(s=3, l=2), marks={"s": 1})

    assert talk.pump() == [
        "0 > hello",
        "0 < welcome s1 l0",
        "0 > snapshot",
        "0 > s2 s3 l1 l2",
        "0 < ping",
        "0 > pong",
        "0 < ack s3 l2",
    ]
    assert talk.child.is_drained

    talk.add("s")

    assert talk.pump() == ["0 > s4", "0 < ack s4"]


def test_entries_trimmed_before_the_parent_had_them_are_an_explicit_gap() -> None:
    """Section "Durable lanes": the mark never moves over a hole."""
    journals = Journals(s=5)
    journals.first["s"] = 4
    talk = Talk(journals)

    assert "0 > gap s1-3 s4 s5" in talk.pump()
    assert talk.marks == {"s": 5}


@pytest.mark.parametrize(("mark", "is_behind"), [(3, False), (4, True), (9, True)])
def test_parent_that_has_more_than_the_journal_makes_it_start_over(mark: int, is_behind: bool) -> None:
    """Section "Opening": a data folder restored from a copy would reuse numbers."""
    talk = Talk(Journals(s=3, l=1), marks={"s": mark})

    talk.pump()

    assert (JournalBehind(journal_id="s", mark=mark) in talk.child_events) is is_behind


def test_entries_that_a_second_parent_already_has_are_skipped() -> None:
    """Section "Relay": the first ack shows what the Leader has of a journal that Hello did not name."""
    talk = Talk(Journals(s=0))
    talk.pump()
    talk.journals.entries["l"] = [entry("l", seq) for seq in range(1, 2001)]
    talk.journals.first["l"] = 1
    talk.commits = False
    talk.child.journal_grew(journal_id="l", lane=Lane.LOGS, last_seq=2000)
    talk.pump()

    talk.uncommitted = {"l": 1990}
    talk.commit()
    talk.commits = True

    sent = " ".join(talk.pump())
    assert "l1991" in sent
    assert "l1500" not in sent


@pytest.mark.parametrize("payload", ["task_update", "pong", "logs"])
def test_parent_refuses_messages_before_the_welcome(payload: str) -> None:
    talk = Talk(Journals(s=1))
    talk.parent.receive(pb.NodeUpdate(node_id=NODE, hello=pb.Hello(name=NODE)), 0.0)
    message = pb.NodeUpdate(node_id=NODE)
    getattr(message, payload).SetInParent()

    if payload == "pong":
        assert talk.parent.receive(message, 0.0) == []
        return
    with pytest.raises(ProtocolViolation, match="before its Welcome"):
        talk.parent.receive(message, 0.0)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.NodeUpdate(node_id=NODE), "not with None"),
        (pb.NodeUpdate(ping=pb.Ping()), "not with ping"),
        (_status(3), "not with task_update"),
        (pb.NodeUpdate(batch=pb.UpdateBatch()), "not with batch"),
    ],
)
def test_stream_opens_with_hello_or_a_base_message(message: pb.NodeUpdate, complaint: str) -> None:
    with pytest.raises(ProtocolViolation, match=complaint):
        ParentSession(now_mono=0.0).receive(message, 0.0)


def test_versions_two_apart_do_not_talk() -> None:
    with pytest.raises(VersionMismatch):
        ParentSession(now_mono=0.0).receive(pb.NodeUpdate(hello=pb.Hello(protocol_version=3)), 0.0)


def test_child_refuses_anything_but_a_welcome_first() -> None:
    talk = Talk(Journals(s=0))

    with pytest.raises(ProtocolViolation, match="ack before its Welcome"):
        talk.child.receive(pb.LeaderCommand(ack=pb.Ack()), 0.0)


def test_opening_times_out() -> None:
    talk = Talk(Journals(s=0))

    assert talk.child.next_deadline() == talk.parent.next_deadline() == 20.0
    assert talk.child.tick(19.9) == talk.parent.tick(19.9) == []
    assert talk.child.tick(20.0) == talk.parent.tick(20.0) == [PeerSilent(silent_seconds=20.0)]


# Window, frames, order


def test_window_stops_at_its_limit_and_moves_with_the_acks() -> None:
    """Section "Window and batches"."""
    talk = Talk(Journals(s=10), window=Window(max_updates=4))
    talk.commits = False

    assert talk.pump()[-1] == "0 > pong"
    assert talk.stored[-4:] == ["s1", "s2", "s3", "s4"]
    assert talk.child.message_to_send(0.0) is None

    talk.uncommitted = {"s": 2}
    talk.commit()

    assert talk.pump() == ["0 < ack s2", "0 > s5 s6"]


def test_states_pass_logs_that_fill_their_share_of_the_window() -> None:
    """Section "Window and batches": order of lanes."""
    talk = Talk(Journals(s=0, l=100), window=Window(max_updates=8))
    talk.commits = False
    talk.pump()
    assert talk.stored[-1] == "l6"  # Three quarters of eight.

    talk.add("s")

    assert talk.pump() == ["0 > s1"]


def test_states_then_metrics_then_logs_in_one_frame() -> None:
    talk = Talk(Journals(s=0, l=0))
    talk.pump()

    talk.add("l")
    talk.child.send_ephemeral("metrics", pb.NodeUpdate(metrics=pb.SystemMetrics(cpu_percent=1)))
    talk.add("s")

    assert talk.pump()[0] == "0 > s1 metrics l1"


def test_newest_metrics_win_and_the_dropped_are_counted() -> None:
    """Section "Ephemeral lane"."""
    talk = Talk(Journals(s=0))
    talk.pump()

    for load in range(5):
        talk.child.send_ephemeral("metrics", pb.NodeUpdate(metrics=pb.SystemMetrics(cpu_percent=load)))
    message = talk.child.message_to_send(0.0)

    assert message is not None
    assert message.metrics.cpu_percent == 4
    assert talk.child.dropped_ephemeral == 4
    assert talk.child.message_to_send(0.0) is None


def test_frame_stays_below_its_limit() -> None:
    talk = Talk(Journals(s=0, l=0))
    talk.pump()
    for _ in range(5):
        talk.add("l", size=100_000)

    lines = talk.pump()

    assert [line for line in lines if ">" in line] == ["0 > l1 l2", "0 > l3 l4", "0 > l5"]


def test_entry_as_large_as_a_frame_goes_alone() -> None:
    talk = Talk(Journals(s=0, l=0))
    talk.pump()
    talk.add("s")
    talk.add("l", size=MAX_FRAME_BYTES - 60)

    assert [line for line in talk.pump() if ">" in line] == ["0 > s1", "0 > l1"]


def test_one_flooding_journal_does_not_starve_another() -> None:
    hello = pb.Hello(
        journals=[pb.JournalMark(journal_id=name, seq=1000, lane="logs", node_id=NODE) for name in ("l", "m")]
    )
    child = ChildSession(node_id=NODE, hello=hello, now_mono=0.0)
    child.receive(pb.LeaderCommand(welcome=pb.Welcome()), 0.0)
    child.send_snapshots([])
    for _ in range(2):
        request = child.next_read()
        assert request is not None
        child.load(request, [entry(request.journal_id, seq, 50_000) for seq in range(1, 11)])

    child.message_to_send(0.0)  # hello
    frames = [child.message_to_send(0.0) for _ in range(2)]

    assert [{update.journal_id for update in frame.batch.updates} for frame in frames if frame] == [{"l"}, {"m"}]


# Duplicates and holes


def test_replayed_entries_are_passed_on_once_and_acked_again() -> None:
    """Section "Durable lanes"."""
    talk = Talk(Journals(s=2))
    talk.pump()

    events = talk.parent.receive(_status(2), 0.0)

    assert events == []
    message = talk.parent.message_to_send(0.0)
    assert message is not None
    assert show(message) == "ack s2"


@pytest.mark.parametrize("came", [4, 5])  # One is missing, or two.
def test_hole_is_reported_once_and_filled_by_sending_again(came: int) -> None:
    talk = Talk(Journals(s=2))
    talk.pump()
    talk.journals.entries["s"] = [entry("s", seq) for seq in range(1, 7)]

    assert talk.parent.receive(_status(came), 0.0) == []
    assert talk.parent.receive(_status(6), 0.0) == []
    talk.child.journal_grew(journal_id="s", lane=Lane.STATES, last_seq=6)

    lines = talk.pump()
    assert lines.count("0 < nack hole s3") == 1
    assert talk.stored[-4:] == ["s3", "s4", "s5", "s6"]
    assert talk.marks == {"s": 6}


def test_repeated_requests_for_the_same_hole_end_the_stream() -> None:
    talk = Talk(Journals(s=5))
    talk.pump()
    nack = pb.LeaderCommand(epoch=1, nack=pb.Nack(journal_id="s", seq=2, code="hole"))

    for _ in range(3):
        talk.child.receive(nack, 0.0)

    with pytest.raises(ProtocolViolation, match="entry 2"):
        talk.child.receive(nack, 0.0)


def test_refused_entry_is_reported_and_not_sent_again() -> None:
    """Section "Bad input"."""
    talk = Talk(Journals(s=1))
    talk.pump()
    nack = pb.Nack(journal_id="s", seq=1, code="bad-value", message="task_update.state: unknown value 99")

    talk.parent.nacked([nack])

    assert talk.pump() == ["0 < nack bad-value s1"]
    assert talk.child_events[-1] == Nacked(nack=nack)


@pytest.mark.parametrize(
    ("update", "complaint"),
    [
        (pb.NodeUpdate(batch=pb.UpdateBatch(updates=[pb.NodeUpdate(batch=pb.UpdateBatch())])), "batch within a batch"),
        (pb.NodeUpdate(batch=pb.UpdateBatch(updates=[pb.NodeUpdate(ping=pb.Ping())])), "ping within a batch"),
        (pb.NodeUpdate(seq=4, logs=pb.LogBatch()), "names no journal"),
        (pb.NodeUpdate(hello=pb.Hello()), "second Hello"),
    ],
)
def test_protocol_violations_end_the_stream(update: pb.NodeUpdate, complaint: str) -> None:
    talk = Talk(Journals(s=0))
    talk.pump()

    with pytest.raises(ProtocolViolation, match=complaint):
        talk.parent.receive(update, 0.0)


# Heartbeat


def test_idle_link_carries_one_ping_and_one_pong_per_heartbeat() -> None:
    """Section "Heartbeat"."""
    talk = Talk(Journals(s=1))
    talk.pump()

    assert talk.wait(100.0) == ["30 < ping", "30 > pong", "60 < ping", "60 > pong", "90 < ping", "90 > pong"]


def test_child_pings_when_the_parent_does_not() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()

    assert talk.child.next_deadline() == 31.0
    talk.child.tick(31.0)

    message = talk.child.message_to_send(31.0)
    assert message is not None
    assert show(message) == "ping"
    assert talk.child.message_to_send(31.0) is None


def test_traffic_in_one_direction_does_not_count_for_the_other() -> None:
    """Metrics are not acknowledged, so the parent still sends heartbeats."""
    talk = Talk(Journals(s=0))
    talk.pump()
    for second in range(1, 35):
        talk.wait(float(second))
        talk.child.send_ephemeral("metrics", pb.NodeUpdate(metrics=pb.SystemMetrics()))
        talk.pump()

    assert [line for line in talk.lines if "<" in line][-1] == "30 < ping"


def test_silent_peer_is_detected_after_the_heartbeat_and_ten_seconds() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()

    assert talk.child.tick(39.9) == talk.parent.tick(39.9) == []

    assert talk.child.tick(40.0) == talk.parent.tick(40.0) == [PeerSilent(silent_seconds=40.0)]
    assert talk.child.next_deadline() == 40.0


def test_stuck_writer_does_not_stop_the_clock() -> None:
    """The watch asks for the next deadline before the writer has sent the message due at the last one."""
    talk = Talk(Journals(s=0))
    talk.pump()

    talk.parent.tick(30.0)

    assert talk.parent.next_deadline() == 40.0  # Counts as silent if nothing arrives.
    talk.parent.receive(pb.NodeUpdate(pong=pb.Pong()), 31.0)
    assert talk.parent.next_deadline() == 60.0


def test_round_trip_is_measured() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()
    talk.parent.ping()
    talk.parent.message_to_send(5.0)

    assert talk.parent.receive(pb.NodeUpdate(pong=pb.Pong()), 5.25) == [RoundTripMeasured(rtt_seconds=0.25)]
    assert talk.parent.rtt_seconds == 0.25


def test_child_accepts_the_parents_heartbeat_within_its_range() -> None:
    for said, taken in ((10.0, 10.0), (1.0, 5.0), (500.0, 60.0), (0.0, 30.0)):
        talk = Talk(Journals(s=0))
        talk.child.receive(pb.LeaderCommand(epoch=1, welcome=pb.Welcome(heartbeat_seconds=said)), 0.0)

        assert talk.child.next_deadline() == min(taken + 1, taken + 10)


def test_stuck_writer_does_not_accumulate_pongs() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()
    for _ in range(1000):
        talk.child.receive(PING, 1.0)

    assert talk.pump() == ["0 > pong"]


# Epochs


def test_epoch_is_raised_before_the_command_that_came_with_it() -> None:
    """Section "Epoch"."""
    talk = Talk(Journals(s=0), epoch=7)
    talk.pump()
    assert talk.child_events[0] == EpochRaised(epoch=7)
    command = pb.LeaderCommand(command_id="c1", epoch=8, control=pb.ControlSignal(task_id="t"))

    events = talk.child.receive(command, 3.0)

    assert events == [EpochRaised(epoch=8), CommandReceived(command=command, received_mono=3.0)]


def test_commands_and_acks_of_an_older_leader_are_refused() -> None:
    talk = Talk(Journals(s=1), epoch=7, max_epoch_seen=7)
    talk.commits = False
    talk.pump()
    for message in (
        pb.LeaderCommand(command_id="c1", epoch=6, control=pb.ControlSignal(task_id="t")),
        pb.LeaderCommand(epoch=6, ack=pb.Ack(marks=[pb.JournalMark(journal_id="s", seq=1)])),
        pb.LeaderCommand(command_id="c2", control=pb.ControlSignal(task_id="t")),
    ):
        assert talk.child.receive(message, 0.0) == [StaleCommand(command=message, max_epoch=7)]
    assert not talk.child.is_drained


def test_welcome_of_an_older_leader_ends_the_stream() -> None:
    talk = Talk(Journals(s=0), epoch=6, max_epoch_seen=7)

    with pytest.raises(ProtocolViolation, match="epoch 6"):
        talk.pump()


def test_no_message_raises_the_epoch_to_where_a_database_ends() -> None:
    """One that could would keep every later Leader from starting."""
    parent = ParentSession(now_mono=0.0, epoch=lambda: 7)
    hello = pb.Hello(name=NODE, protocol_version=PROTOCOL_VERSION, max_epoch_seen=7 + MAX_EPOCH_RISE + 1)
    with pytest.raises(ProtocolViolation, match="no Leader can have reached epoch"):
        parent.receive(pb.NodeUpdate(hello=hello), 0.0)

    talk = Talk(Journals(s=0), epoch=7)
    talk.pump()
    command = pb.LeaderCommand(command_id="c1", epoch=1 << 63, control=pb.ControlSignal(task_id="t"))
    with pytest.raises(ProtocolViolation, match="no Leader can have reached epoch"):
        talk.child.receive(command, 3.0)
    assert talk.child.max_epoch == 7


def test_relayed_command_keeps_the_leaders_epoch() -> None:
    talk = Talk(Journals(s=0), epoch=3)
    talk.pump()

    talk.parent.send_command(pb.LeaderCommand(command_id="c1", epoch=9, control=pb.ControlSignal(task_id="t")))
    talk.parent.send_command(pb.LeaderCommand(command_id="c2", control=pb.ControlSignal(task_id="t")))

    assert [message.epoch for message in iter(lambda: talk.parent.message_to_send(0.0), None) if message] == [9, 3]


# Commands, going away


def test_command_queue_is_bounded() -> None:
    parent = ParentSession(now_mono=0.0)

    sent = [parent.send_command(pb.LeaderCommand(command_id=str(number))) for number in range(1001)]

    assert sent == [True] * 1000 + [False]


def test_go_away_comes_last_and_ends_commands() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()
    talk.parent.send_command(pb.LeaderCommand(command_id="c1", control=pb.ControlSignal(task_id="t")))
    talk.parent.send_away(reason="shutdown", retry_after_seconds=1.0)

    assert not talk.parent.send_command(pb.LeaderCommand(command_id="c2"))
    assert talk.pump() == ["0 < control c1", "0 < go_away"]
    assert talk.child_events[-1] == GoAwayReceived(go_away=pb.GoAway(reason="shutdown", retry_after_seconds=1.0))


def test_goodbye_is_the_last_message() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()

    talk.child.say_goodbye("stopped")
    talk.pump()

    assert talk.parent_events[-1] == GoodbyeReceived(reason="stopped")


def test_revocations_are_sent_with_an_ack() -> None:
    talk = Talk(Journals(s=0))
    talk.pump()

    talk.parent.revoked(["token-1"])
    talk.pump()

    assert talk.child_events[-1] == TokensRevoked(token_ids=("token-1",))


def test_acks_are_reported() -> None:
    talk = Talk(Journals(s=2))
    talk.pump()

    assert talk.child_events[-1] == Acked(marks={"s": 2})


# Base client


def test_base_client_is_served_without_extensions() -> None:
    """Section "Clients that know only the base messages"."""
    parent = ParentSession(now_mono=0.0)

    assert parent.receive(_status(), 0.0) == [BaseClientSeen(), UpdatesReceived(updates=(_status(),))]

    parent.ping()
    parent.nacked([pb.Nack(code="bad-value")])
    parent.send_away(reason="shutdown")
    parent.tick(1e6)
    assert parent.message_to_send(0.0) is None
    assert parent.tick(1e6) == []  # Only HTTP/2 keepalive detects its loss.
    assert parent.receive(pb.NodeUpdate(node_id=NODE, metrics=pb.SystemMetrics()), 1.0) != []


def test_base_client_gets_commands() -> None:
    parent = ParentSession(now_mono=0.0, epoch=lambda: 4)
    parent.receive(_status(), 0.0)

    parent.send_command(pb.LeaderCommand(command_id="c1", task_request=pb.TaskRequest(task_id="t")))

    message = parent.message_to_send(0.0)
    assert message is not None
    assert (message.command_id, message.epoch) == ("c1", 4)


def test_base_client_may_not_send_numbered_updates() -> None:
    parent = ParentSession(now_mono=0.0)
    parent.receive(_status(), 0.0)

    with pytest.raises(ProtocolViolation, match="opened without Hello"):
        parent.receive(_status(2), 0.0)


def test_hello_is_passed_to_the_driver() -> None:
    hello = pb.Hello(protocol_version=1, name=NODE)

    assert ParentSession(now_mono=0.0).receive(pb.NodeUpdate(hello=hello), 0.0) == [HelloReceived(hello=hello)]


def test_what_is_sent_again_after_a_hole_is_under_way_once() -> None:
    """Section "Window and batches": otherwise each hole would make the window smaller."""
    flying = InFlight()
    feed = Feed(journal_id="s", lane=Lane.STATES, head=3, in_flight=flying)
    entries = [entry("s", seq) for seq in (1, 2, 3)]
    feed.load(0, entries)
    for _ in entries:
        feed.take()

    feed.rewind(2)

    assert (flying.updates, flying.size_bytes) == (1, entries[0].size_bytes)
    assert feed.read_to == 1
