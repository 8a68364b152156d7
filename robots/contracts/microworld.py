"""The project's own robot microworld: a gripper above a table that pushes and carries blocks."""

from math import pi

from robots.contracts.contract import Column, Contract, Example, Gripper, Keys

CONTRACT = Contract(
    name="microworld",
    robot="the robot microworld's arm",
    columns=(
        Column("x", "m", -0.8, 0.8),
        Column("y", "m", -0.8, 0.8),
        Column("z", "m", -0.05, 0.8),
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
    frame="the gripper in the table's frame, z up from its top",
    rotation="extrinsic xyz Euler angles; the hand never tilts, so that roll and pitch stay 0",
    command="The commanded pose is the one reached.",
    control_hz=5.0,
    video_hz=5.0,
    example=Example(
        states=(
            (0.1, -0.2, 0.15, 0.0, 0.0, 0.5, 0.0),
            (-0.3, 0.25, 0.02, 0.0, 0.0, -1.0, 1.0),
        ),
        q01=(-0.3, -0.3, 0.02, 0.0, 0.0, -1.5, 0.0),
        q99=(0.3, 0.3, 0.22, 0.0, 0.0, 1.5, 1.0),
        normalised=(
            (0.3333, -0.6667, 0.3, -1.0, -1.0, 0.3333, -1.0),
            (-1.0, 0.8333, -1.0, -1.0, -1.0, -0.6667, 1.0),
        ),
    ),
)
