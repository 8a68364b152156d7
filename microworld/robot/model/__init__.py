"""The robot microworld's own world model, made from nothing: `python -m microworld.robot.pretrain`."""
