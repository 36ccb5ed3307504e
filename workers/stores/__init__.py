"""Where the inbox is kept: stores with a stated level, and how a delivery is settled in each."""
