"""The administration: people and teams to manage, pools to look into, runs and money as history that nobody edits."""

from fusion.admin import audit, connections, people, pools, runs, second_step

__all__ = ["audit", "connections", "people", "pools", "runs", "second_step"]
