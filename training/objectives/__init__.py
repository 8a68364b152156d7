"""Policy-gradient objectives for flow models: pure functions of tensors, one row for each (sample, level or step)."""
