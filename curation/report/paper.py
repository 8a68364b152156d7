"""Figures published for the original WorldTasks (arXiv 2606.12072), to stand beside ours where they mean the same.

Shares are fractions. Section 4.1.1 and figure 3 for the training split, section 4.1.2 for the benchmark, appendix A.6
for the filters.
"""

# The paper names no screening rate and no clip or frame counts.
KEEP_RATES = {
    "aesthetics": (0.90, "top 90 % by the combined score"),
    "tasks": (146_440 / 160_000, "146,440 of 160,000 pairs"),
}

AGENTS_TRAIN = {
    "first_person": 0.507,
    "human": 0.390,
    "vehicle": 0.052,
    "object": 0.024,
    "creature": 0.019,
    "animal": 0.006,
    "crowd": 0.001,
}
AGENTS_BENCH = {"first_person": 0.535, "human": 0.375, "vehicle": 0.060}

TASKS_TRAIN = {
    "navigation": 0.203,
    "positioning": 0.222,
    "object_interaction": 0.190,
    "perception": 0.143,
    "combat": 0.066,
    "compound": 0.046,
    "vehicle_control": 0.041,
    "ui_interaction": 0.037,
    "other": 0.051,
}
TASKS_BENCH = {
    "navigation": 0.225,
    "positioning": 0.220,
    "object_interaction": 0.170,
    "perception": 0.160,
    "combat": 0.110,
    "compound": 0.015,
    "vehicle_control": 0.035,
    "ui_interaction": 0.025,
    "other": 0.040,
}
