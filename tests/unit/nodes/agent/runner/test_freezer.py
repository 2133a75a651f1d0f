from __future__ import annotations

from nodes.agent.runner.freezer import _cgroup2_mount


def test_cgroup_version_2_alongside_version_1() -> None:
    mountinfo = [
        "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer",
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw",
    ]

    assert _cgroup2_mount(mountinfo) == "/sys/fs/cgroup/unified"
    assert _cgroup2_mount(mountinfo[:1]) == ""
