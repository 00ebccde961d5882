"""Joining: who may make an account, and the team that everybody starts with."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from fusion.errors import NotAllowed
from fusion.models import Invitation, Membership, Team, User
from fusion.models.team import Role
from fusion.teams.invitations import InvitationClosed, accept_invitation
from fusion.teams.selectors import memberships_of
from fusion.teams.slugs import free_slug

NAME_CHARS = 60


class SignupClosed(NotAllowed):
    """Nobody can make an account now: there is one already, and sign-up was not opened."""

    code = "signup_closed"


def is_first_account() -> bool:
    """Nobody has an account yet; whoever makes one now becomes the administrator."""
    return not User.objects.people().exists()


def is_signup_open() -> bool:
    return settings.FUSION_SIGNUP == "open" or is_first_account()


@transaction.atomic
def register_person(user: User, *, may_be_first: bool, invitation: Invitation | None = None) -> User:
    """Save a new person with a team of their own, and let them into the team that invited them.

    Raises SignupClosed, leaving nothing behind; also when somebody else used the invitation meanwhile.

    The first person becomes the site's administrator; `may_be_first` says that they proved to be at home here. Whether
    somebody is the first is decided inside the transaction, which holds the right to write from its beginning: of two
    who sign up at the same moment, the second one finds the first.
    """
    if is_first_account():
        if not may_be_first:
            raise SignupClosed("The first account needs the setup code that the server printed when it started.")
        user.is_staff = user.is_superuser = True
    elif settings.FUSION_SIGNUP != "open" and invitation is None:
        raise SignupClosed("Sign-up is closed: somebody has made the first account.")
    user.save()
    create_personal_team(user)
    if invitation is not None:
        _let_in(user, invitation)
    return user


def _let_in(user: User, invitation: Invitation) -> None:
    try:
        accept_invitation(person=user, invitation=invitation, token_hash=invitation.token_hash)
    except (InvitationClosed, NotAllowed) as exc:
        raise SignupClosed(exc.message) from exc


@transaction.atomic
def create_personal_team(user: User) -> Team:
    """A team with this person as its owner, called after them but not like them: both stand side by side on pages."""
    name, whose = user.get_short_name(), "'s team"
    team = Team.objects.create(name=name[: NAME_CHARS - len(whose)] + whose, slug=free_slug(name[:NAME_CHARS]))
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    return team


@transaction.atomic
def ensure_personal_team(user: User) -> Team:
    """A team that this person is in, the oldest one; a new one when there is none."""
    membership = memberships_of(user).first()
    return create_personal_team(user) if membership is None else membership.team
