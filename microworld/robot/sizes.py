"""The numbers of the robot microworld, each with its unit. Frame: x away from the robot, y to its left, z up, metres.

A world model is trained on episodes of these numbers: whoever changes one of them trains it again.
"""

# Pictures
SIDE_PX = 32  # height and width of each view
VIEWS = ("external_1", "external_2", "wrist")
FPS = 5.0  # rows of an episode a second
ROWS = 64  # rows of an episode: 12.8 s

# The table: its top is z = 0, a square around CENTRE
CENTRE = (0.50, 0.0)  # m
TABLE_HALF = 0.22  # m, from the middle to each edge
BLOCK_REACH = 0.165  # m, how far from the middle the centre of a block can get
GRIPPER_REACH = 0.18  # m, how far from the middle the gripper can get
Z_LOW, Z_HIGH = 0.01, 0.16  # m, height of the finger tips
YAW_LIMIT = 1.0  # rad, either way; at 0 the fingers close along y

# Blocks: cubes
BLOCK_HALF = 0.035  # m
COLOURS = {  # RGB of a lit face
    "red": (226, 62, 54),
    "green": (52, 176, 92),
    "blue": (52, 108, 232),
    "yellow": (246, 196, 42),
}

# The gripper: two fingers below a palm
FINGER_HALF = (0.015, 0.010, 0.04)  # m: along the gripper's x, along y (the way it closes), and up
PALM_HALF = (0.020, 0.066, 0.016)  # m
GAP_OPEN = 0.104  # m between the fingers at gripper 0; at gripper 1 they touch
GRASP_OFFSET = 0.024  # m, a block further from the middle of the fingers is not grasped
GRASP_DEPTH = 0.020  # m, how far the tips reach at least below the top of a block that is grasped
GRASP_ANGLE = 0.6  # rad, a block that is turned further against the gripper is not grasped
RELEASE = 0.002  # m, a held block is let go when the fingers are so much further apart than it is wide

# Motion, for one row (0.2 s)
SPEED = 0.055  # m along the straight line
TURN = 0.30  # rad of yaw
SQUEEZE = 0.40  # of the gripper's way from open (0) to closed (1)
SUBSTEPS = 10  # contacts are resolved so many times a row
FALL = 0.02  # m that a block falls in one substep
TOLERANCE = 0.003  # m: things never lie deeper in each other

# What a pose (x, y, z, roll, pitch, yaw, gripper) can be; roll and pitch stay 0: the fingers point down
LOW = (CENTRE[0] - GRIPPER_REACH, CENTRE[1] - GRIPPER_REACH, Z_LOW, 0.0, 0.0, -YAW_LIMIT, 0.0)
HIGH = (CENTRE[0] + GRIPPER_REACH, CENTRE[1] + GRIPPER_REACH, Z_HIGH, 0.0, 0.0, YAW_LIMIT, 1.0)
