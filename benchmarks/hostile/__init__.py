"""Files of every format that dovetail reads, good, broken at random, and made to do harm."""
