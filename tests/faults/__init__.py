"""The fault suite: kills, freezes, disconnects, fills up and deceives a real cluster, then checks every invariant.

How to add a scenario:

- Add a test named `test_scenario_NN_…` to the file of its kind, and a row to `docs/reliability.md`.
- Take the fixture `arena` (Leader, master-1, master-2, edge-1 behind master-1; shared, so leave it healthy), or create
  one with `new_arena` if it needs another network (`link`), disk (`new_disk`) or clock (`new_clock`). These three
  skip with the reason if the machine does not allow them.
- `arena.start_task(node, …)` runs `program.py`, which records independently what it does; see its options there.
- Inject the fault. Wait on conditions (`arena.wait_more_lines`, `wait_node`, `wait_state`, `eventually_sync`); sleep
  only to pick a random moment. Assert no times: a timeout means "never", `record_property` prints a figure.
- Choose rounds and seconds with `short_or_full`. The short suite takes less than six minutes on two cores.
- End with `arena.check()`: it ends the tasks, waits until nothing is pending, and checks `invariants.py` from outside.

`arena.away`, `arena.lost`, `arena.inputs`, `arena.expects_dead_letters` tell the checks what a scenario did on purpose.
`arena.watch()` adds dashboards. After a failed scenario, the next one gets a new shared arena.

`make test` runs the short suite; `make soak MINUTES=20` runs the full one and then a soak.
"""
