"""DROID (Khazatsky et al. 2024, CC-BY 4.0): a Franka Panda with a Robotiq gripper, teleoperated in many places.

The example is of episode 0 as Ctrl-World publishes it, with that model's statistics of the whole set.
"""

from math import pi

from robots.contracts.contract import Column, Contract, Example, Gripper, Keys

CONTRACT = Contract(
    name="droid",
    robot="Franka Panda, Robotiq 2F-85",
    columns=(  # a Panda reaches 0.855 m from its shoulder, which is 0.333 m above its base
        Column("x", "m", -1.0, 1.0),
        Column("y", "m", -1.0, 1.0),
        Column("z", "m", -0.6, 1.3),
        Column("roll", "rad", -pi, pi),
        Column("pitch", "rad", -pi / 2, pi / 2),
        Column("yaw", "rad", -pi, pi),
        Column("gripper", "1", 0.0, 1.0),
    ),
    gripper=Gripper(6, open=0.0, closed=1.0),
    views=("external_1", "external_2", "wrist"),
    keys={
        "ctrl_world": Keys(
            state=("states",),
            command=("action.cartesian_position", "action.gripper_position"),
            views={"external_1": "0", "external_2": "1", "wrist": "2"},
            fps=5.0,  # every third row and frame is kept; commands are listed at 15 Hz
            command_every=3,
        ),
        "lerobot": Keys(  # observation.state is joints here: not the pose
            state=("observation.state.cartesian_position", "observation.state.gripper_position"),
            command=("action.cartesian_position", "action.gripper_position"),
            views={
                "external_1": "observation.images.exterior_1_left",
                "external_2": "observation.images.exterior_2_left",
                "wrist": "observation.images.wrist_left",
            },
        ),
    },
    frame="the flange in the robot's base frame, x forward, y left, z up",
    rotation="extrinsic xyz Euler angles, R = Rz(yaw) Ry(pitch) Rx(roll); roll lies near pi and wraps",
    command="A model is conditioned on the observed pose; commands lie 2 to 6 cm from it.",
    control_hz=15.0,
    video_hz=15.0,
    example=Example(
        states=(
            (0.4183, -0.1657, 0.5165, 3.0129, -0.2795, -0.2612, 0.0),
            (0.5999, 0.0329, 0.5897, 3.0029, -0.2327, 0.3846, 0.0),
            (0.4068, 0.4186, 0.593, 2.8484, -0.4766, 1.5749, 0.6476),
            (0.3198, 0.356, 0.5492, 2.8081, -0.5185, 1.8662, 0.0441),
        ),
        q01=(0.2677, -0.4417, -0.0428, -3.1374, -1.2144, -2.1158, 0.0),
        q99=(0.7811, 0.4367, 0.7844, 3.1375, 0.9039, 1.9916, 0.9912),
        normalised=(
            (-0.4133, -0.3716, 0.3523, 0.9603, -0.1173, -0.0969, -1.0),
            (0.2941, 0.0806, 0.5293, 0.9571, -0.0731, 0.2175, -1.0),
            (-0.4581, 0.9588, 0.5372, 0.9079, -0.3034, 0.7971, 0.3067),
            (-0.797, 0.8163, 0.4313, 0.895, -0.343, 0.9389, -0.911),
        ),
    ),
)
