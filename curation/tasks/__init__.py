"""Stage 6: eight task-solution pairs a frame from one request, validated by named rules, then sorted by a taxonomy."""
