"""Python's garbage collector, set for a process that makes much and keeps little (decision 0506)."""

import gc

#: So many objects more than at the last collection start the next one; Python's own 700 are those of seven events.
YOUNG_OBJECTS = 10_000


def settle() -> None:
    """Take all that there is for permanent, and collect less often; before the pool's processes are forked.

    What is permanent is not looked through again and again, and its memory stays shared with the forked processes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
