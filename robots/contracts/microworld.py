"""The project's own robot microworld: a gripper above a table that pushes and carries blocks.

The example is of a recorded episode, with the quantiles of 60.
"""

from math import pi

from robots.contracts.contract import Column, Contract, Example, Gripper, Keys

CONTRACT = Contract(
    name="microworld",
    robot="the robot microworld's arm",
    columns=(  # the square table and the air above it
        Column("x", "m", 0.28, 0.72),
        Column("y", "m", -0.22, 0.22),
        Column("z", "m", 0.0, 0.2),
        Column("roll", "rad", -0.1, 0.1, still=True),
        Column("pitch", "rad", -0.1, 0.1, still=True),
        Column("yaw", "rad", -pi, pi, still=True),
        Column("gripper", "1", 0.0, 1.0),
    ),
    gripper=Gripper(6, open=0.0, closed=1.0),
    views=("external_1", "external_2", "wrist"),
    keys={
        "microworld": Keys(
            state=("states",),
            command=(),
            views={"external_1": "external_1", "external_2": "external_2", "wrist": "wrist"},
            fps=5.0,
        ),
    },
    frame="the finger tips, x away from the robot, y to its left, z up from the table's top",
    rotation="extrinsic xyz Euler angles; the fingers point down: roll and pitch stay 0",
    command="There are no commands: a model is conditioned on the pose reached.",
    control_hz=5.0,
    video_hz=5.0,
    example=Example(
        states=(
            (0.5147, -0.0604, 0.1276, 0.0, 0.0, 0.0404, 0.0),
            (0.4669, 0.0452, 0.1481, 0.0, 0.0, 0.8135, 1.0),
            (0.462, 0.0316, 0.0339, 0.0, 0.0, -0.5341, 1.0),
            (0.3921, 0.0091, 0.0193, 0.0, 0.0, 0.0143, 0.6),
        ),
        q01=(0.3325, -0.18, 0.01, 0.0, 0.0, -0.7521, 0.0),
        q99=(0.6762, 0.1774, 0.1372, 0.0, 0.0, 0.7015, 1.0),
        normalised=(  # a column that never changes is -1
            (0.0602, -0.3307, 0.8491, -1.0, -1.0, 0.0904, -1.0),
            (-0.2179, 0.2602, 1.0, -1.0, -1.0, 1.0, 1.0),
            (-0.2464, 0.1841, -0.6242, -1.0, -1.0, -0.7001, 1.0),
            (-0.6532, 0.0582, -0.8538, -1.0, -1.0, 0.0545, 0.2),
        ),
    ),
)
