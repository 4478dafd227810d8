import itertools
import os
import random
import socket
import time

# Ports of servers: below those that the kernel gives to connections (ip_local_port_range),
# one of which might come first. Each process of xdist has its own.
PORTS = 2000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_first_port = 12000 + _worker % 10 * PORTS
_next = itertools.count(random.randrange(PORTS))


def until(condition, seconds=30, what=None, every=0.02):
    """Calls condition() until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what or condition}")
        time.sleep(every)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n):
    ports = (_first_port + i % PORTS for i in _next)
    return list(itertools.islice(filter(is_free, ports), n))
