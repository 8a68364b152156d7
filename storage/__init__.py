"""Files, tables and journals that survive a kill: the bottom layer, imported by every room and importing none."""
