"""Videos of a model under one conditioning for the samples of a benchmark: resumable, timed, with a manifest."""
