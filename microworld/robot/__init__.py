"""The robot microworld: an arm with a gripper that pushes and carries blocks on a table, seen by three cameras.

`table` moves things, `render` draws them, `policies` act, `episodes` records. All numbers of the world are in `sizes`.
"""
