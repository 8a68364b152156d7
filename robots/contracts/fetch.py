"""The Fetch arm of gymnasium-robotics (MuJoCo), which picks up a block from a table and carries it to a target.

The example is of a LeRobot v3.0 set of 24 episodes, with that set's own quantiles.
"""

from math import pi

from robots.contracts.contract import Column, Contract, Example, Gripper, Keys

CONTRACT = Contract(
    name="fetch",
    robot="Fetch, simulated in MuJoCo",
    columns=(  # the mocap-driven gripper above the table that stands at (1.3, 0.75, 0.2)
        Column("x", "m", 0.9, 1.7),
        Column("y", "m", 0.2, 1.3),
        Column("z", "m", 0.3, 1.2),
        Column("roll", "rad", -pi, pi),
        Column("pitch", "rad", -pi / 2, pi / 2),
        Column("yaw", "rad", -pi, pi),
        Column("gripper", "1", 0.0, 1.0),
    ),
    gripper=Gripper(6, open=0.0, closed=1.0),
    views=("external_1", "external_2", "wrist"),
    keys={
        "lerobot": Keys(
            state=("observation.state",),
            command=("action",),
            views={
                "external_1": "observation.images.exterior_1",
                "external_2": "observation.images.exterior_2",
                "wrist": "observation.images.wrist",
            },
        ),
    },
    frame="the gripper in the simulation's world frame",
    rotation="extrinsic xyz Euler angles; the hand points down, pitch is near pi/2, so that roll and yaw jump together",
    command="action[t] is the pose commanded for row t + 1. A model is conditioned on the observed pose.",
    control_hz=15.0,
    video_hz=15.0,
    example=Example(
        states=(
            (1.3419, 0.7491, 0.5347, 3.0927, 1.5701, 3.0927, 1.0),
            (1.3375, 0.8359, 0.4891, 0.0176, 1.5487, 0.0162, 0.5191),
            (1.2309, 0.6353, 0.5861, 2.6458, 1.5423, 2.6494, 0.5125),
            (1.2437, 0.7509, 0.5543, 2.5341, 1.5632, 2.536, 0.5147),
        ),
        q01=(1.1816, 0.5866, 0.4215, -3.1265, 1.5001, -3.1214, 0.0),
        q99=(1.4858, 0.9157, 0.7482, 3.1167, 1.5701, 3.1182, 1.0),
        normalised=(
            (0.0539, -0.0125, -0.307, 0.9923, 1.0, 0.9918, 1.0),
            (0.025, 0.515, -0.5862, 0.0072, 0.3886, 0.0057, 0.0382),
            (-0.6759, -0.704, 0.0077, 0.8491, 0.2057, 0.8497, 0.025),
            (-0.5917, -0.0015, -0.187, 0.8134, 0.8029, 0.8134, 0.0294),
        ),
    ),
)
