"""Write the present release's envelopes that are not stored yet."""

from millrace.catalog import CATALOG

from tests.corpus.stored import DIRECTORY, present_release, write

for path in write(CATALOG, DIRECTORY / present_release()):
    print(path.relative_to(DIRECTORY.parents[1]))
