"""Lists of subjects, from a CSV, a folder, BIDS or Learn2Reg."""
