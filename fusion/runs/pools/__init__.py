"""Pools: making, changing, copying, deleting them, and what a pool will do before it is asked.

A pool's rules live in immutable versions; saving writes the next one and points the pool at it.
"""

from fusion.runs.pools.calls import CallPlan, judge_preview, planned_calls
from fusion.runs.pools.checking import check_spec, payers_of
from fusion.runs.pools.defaults import add_default_pools, add_default_pools_everywhere, default_specs
from fusion.runs.pools.spec import MemberSpec, PoolSpec, spec_of
from fusion.runs.pools.troubles import Trouble, nearest, troubles_of
from fusion.runs.pools.warnings import PoolWarning, pool_warnings
from fusion.runs.pools.writing import create_pool, delete_pool, duplicate_pool, restore_version, save_pool, spec_of_copy

__all__ = [
    "CallPlan",
    "MemberSpec",
    "PoolSpec",
    "PoolWarning",
    "Trouble",
    "add_default_pools",
    "add_default_pools_everywhere",
    "check_spec",
    "create_pool",
    "default_specs",
    "delete_pool",
    "duplicate_pool",
    "judge_preview",
    "nearest",
    "payers_of",
    "planned_calls",
    "pool_warnings",
    "restore_version",
    "save_pool",
    "spec_of",
    "spec_of_copy",
    "troubles_of",
]
