"""WorldTasks-Bench as samples: from our release, in the authors' layout, or from the microworld."""
