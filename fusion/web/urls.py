"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path

from fusion.web.views import account, ask, exports, finals, history, images, pool_versions, pools, runs, theme
from fusion.web.views.teams import audit, invitations, members, switching
from fusion.web.views.teams import settings as team_pages

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
    path("images", images.image_create, name="image-create"),
    path("images/<uuid:public_id>", images.image_show, name="image-show"),
    path("history", history.history, name="history"),
    path("pools", pools.pool_list, name="pools"),
    path("pools/new", pools.pool_create, name="pool-create"),
    path("pools/preview", pools.pool_preview, name="pool-preview"),
    path("pools/<uuid:public_id>", pools.pool_detail, name="pool-detail"),
    path("pools/<uuid:public_id>/edit", pools.pool_edit, name="pool-edit"),
    path("pools/<uuid:public_id>/duplicate", pools.pool_duplicate, name="pool-duplicate"),
    path("pools/<uuid:public_id>/compare", pool_versions.pool_compare, name="pool-compare"),
    path("pools/<uuid:public_id>/restore", pool_versions.pool_restore, name="pool-restore"),
    path("pools/<uuid:public_id>/delete", pools.pool_delete, name="pool-delete"),
    path("team", switching.team_home, name="team"),
    path("team/switch", switching.team_switch, name="team-switch"),
    path("team/new", switching.team_create, name="team-create"),
    path("team/<uuid:team_id>/members", members.team_members, name="team-members"),
    path("team/<uuid:team_id>/members/<uuid:public_id>/role", members.team_member_role, name="team-member-role"),
    path("team/<uuid:team_id>/members/<uuid:public_id>/remove", members.team_member_remove, name="team-member-remove"),
    path("team/<uuid:team_id>/leave", members.team_leave, name="team-leave"),
    path("team/<uuid:team_id>/hand-over", members.team_hand_over, name="team-hand-over"),
    path("team/<uuid:team_id>/invitations", invitations.team_invitations, name="team-invitations"),
    path(
        "team/<uuid:team_id>/invitations/<uuid:public_id>/resend",
        invitations.team_invitation_resend,
        name="team-invitation-resend",
    ),
    path(
        "team/<uuid:team_id>/invitations/<uuid:public_id>/revoke",
        invitations.team_invitation_revoke,
        name="team-invitation-revoke",
    ),
    path("team/<uuid:team_id>/audit", audit.team_audit, name="team-audit"),
    path("team/<uuid:team_id>/settings", team_pages.team_settings, name="team-settings"),
    path("team/<uuid:team_id>/delete", team_pages.team_delete, name="team-delete"),
    path("team/<uuid:team_id>/stop-runs", team_pages.team_stop_runs, name="team-stop-runs"),
    path("invitations/<str:token>", invitations.invitation, name="invitation"),
    path("account/delete", account.account_delete, name="account-delete"),
    path("theme", theme.theme_set, name="theme-set"),
]
