"""The fault suite: a real cluster is killed, frozen, cut off, filled up and lied to; then everything must be true.

How to add a scenario:

- A test named `test_scenario_NN_…` in the file of its kind. `docs/reliability.md` gets its row.
- Take the fixture `arena` (Leader, master-1, master-2, edge-1 behind master-1; shared, so leave it healthy), or make
  one with `new_arena` when it needs another network (`link`), disk (`new_disk`) or clock (`new_clock`). These three
  skip with the reason where the machine does not allow them.
- `arena.start_task(node, …)` runs `program.py`, which writes its own truth beside AgentFlow; see its options there.
- Do the harm. Await conditions (`arena.wait_more_lines`, `wait_node`, `wait_state`, `eventually_sync`); sleep only
  where the moment itself is chance. No time is asserted: time-outs say "never", `record_property` prints a figure.
- Rounds and seconds through `short_or_full`. Short, the whole suite stays below six minutes on two cores.
- End with `arena.check()`: tasks end, all comes to rest, every invariant of `invariants.py` is judged from outside.

`arena.away`, `arena.lost`, `arena.inputs`, `arena.expects_dead_letters` tell the judge what a scenario did on purpose.
Further dashboards: `arena.watch()`. A scenario that fails takes the shared arena along: the next one gets a fresh one.

Short with `make test`; full, and then a soak, with `make soak MINUTES=20`.
"""
