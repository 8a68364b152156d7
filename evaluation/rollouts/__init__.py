"""Closed-loop rollouts of robot world models: made, measured, compared; and the model as an environment."""
