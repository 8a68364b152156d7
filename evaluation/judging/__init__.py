"""Judging of generated videos: yes/no questions to a VLM, and how far its answers can be trusted."""
