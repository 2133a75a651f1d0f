"""A fake wall clock for one process (libfaketime) that the test can move; its monotonic clock is not affected."""

from __future__ import annotations

from pathlib import Path


class JumpingClock:
    def __init__(self, file: Path) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            raise PermissionError("no libfaketime (Debian: libfaketime)")
        self._file = file
        self.jump(0)
        # Environment of the process that uses this clock.
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # Seconds until a jump is noticed: reading the file at every call would use too much CPU.
            "FAKETIME_CACHE_DURATION": "1",
        }

    def jump(self, seconds: float, rate: float = 1.0) -> None:
        """Moves the clock to `seconds` ahead of the real time, running at `rate`."""
        text = f"{seconds:+f} x{rate:f}"  # Without a rate, the previous one would stay in effect.
        temporary = self._file.with_suffix(".new")
        temporary.write_text(text + "\n")
        temporary.rename(self._file)
