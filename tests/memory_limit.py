"""A limit on the memory of a test's own process."""

import resource
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def limit_memory(more):
    """Lets this process take so many more bytes; what asks for more gets a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
