"""The sample catalog, with an AWS door and only one worker group."""

from dataclasses import replace

from millrace.catalog import CATALOG as WHOLE

CATALOG = replace(WHOLE, groups=WHOLE.groups[:1])
