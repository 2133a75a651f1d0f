"""A wall clock of one process that jumps when the test says so (libfaketime); its monotonic clock stays true."""

from __future__ import annotations

from pathlib import Path


class JumpingClock:
    def __init__(self, file: Path) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            raise PermissionError("no libfaketime (Debian: libfaketime)")
        self._file = file
        self.jump(0)
        # For the one process that gets it.
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # Seconds until a jump is seen: a look at the file at every question would eat the machine.
            "FAKETIME_CACHE_DURATION": "1",
        }

    def jump(self, seconds: float, rate: float = 1.0) -> None:
        """The process is so many seconds ahead of the true time, and gains or loses at `rate`."""
        text = f"{seconds:+f} x{rate:f}"  # Without a rate the one before would go on.
        temporary = self._file.with_suffix(".new")
        temporary.write_text(text + "\n")
        temporary.rename(self._file)
