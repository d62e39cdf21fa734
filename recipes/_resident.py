"""Resident memory of a process. Linux only. Shared by recipes."""

import re
from pathlib import Path


def resident(pid: int | str = "self") -> dict[str, float]:
    """Resident memory now and at its greatest since the last call, in MiB."""
    process = Path(f"/proc/{pid}")
    status = (process / "status").read_text(encoding="utf-8")
    (process / "clear_refs").write_text("5", encoding="utf-8")  # forgets the greatest
    kinds = {"now": "VmRSS", "greatest": "VmHWM"}
    found = {name: re.search(rf"{kind}:\s*(\d+) kB", status) for name, kind in kinds.items()}
    return {name: int(match[1]) / 2**10 for name, match in found.items() if match}
