"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path

from fusion.web.views import ask, exports, finals, history, pools, runs, theme
from fusion.web.views.teams import members, switching

urlpatterns = [
    path("", ask.ask, name="ask"),
    path("runs", runs.run_create, name="run-create"),
    path("r/<uuid:public_id>", runs.run_detail, name="run-detail"),
    path("r/<uuid:public_id>/live", runs.run_live, name="run-live"),
    path("r/<uuid:public_id>/act", runs.run_act, name="run-act"),
    path("r/<uuid:public_id>/rejudge", finals.run_rejudge, name="run-rejudge"),
    path("r/<uuid:public_id>/attempts/<str:letter>", finals.run_attempts, name="run-attempts"),
    path("r/<uuid:public_id>/delete", runs.run_delete, name="run-delete"),
    path("r/<uuid:public_id>/restore", runs.run_restore, name="run-restore"),
    path("r/<uuid:public_id>/export.<str:extension>", exports.run_export, name="run-export"),
    path("history", history.history, name="history"),
    path("pools", pools.pool_list, name="pools"),
    path("pools/new", pools.pool_create, name="pool-create"),
    path("pools/preview", pools.pool_preview, name="pool-preview"),
    path("pools/<uuid:public_id>", pools.pool_detail, name="pool-detail"),
    path("pools/<uuid:public_id>/edit", pools.pool_edit, name="pool-edit"),
    path("pools/<uuid:public_id>/duplicate", pools.pool_duplicate, name="pool-duplicate"),
    path("pools/<uuid:public_id>/delete", pools.pool_delete, name="pool-delete"),
    path("team", switching.team_home, name="team"),
    path("team/switch", switching.team_switch, name="team-switch"),
    path("team/new", switching.team_create, name="team-create"),
    path("team/<uuid:team_id>/members", members.team_members, name="team-members"),
    path("theme", theme.theme_set, name="theme-set"),
]
