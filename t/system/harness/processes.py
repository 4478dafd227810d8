"""Processes of this machine, read from /proc: starting pgrep each time costs more than
what is waited for."""
import os


def children_of(parent):
    """Process ids, the lowest first."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    # the name of the program, in parentheses, may hold anything
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == parent:
                        found.append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass  # ended meanwhile
    return sorted(found)
