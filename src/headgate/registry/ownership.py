"""Who answers for what: every version has an owner, every app one for its prompts and one for the policy it has."""

from __future__ import annotations

import msgspec

from headgate.core.apps import AppSource
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.registry.workspace import APP_KIND, Workspace


def check_version(made: Artifact) -> None:
    """Raises ConfigError where nobody owns the version."""
    if not made.owner:
        raise made.fault("owner", f"nobody owns {made.ref}", "owner: the team that answers for it")


def check_app(made: Artifact, source: AppSource) -> None:
    """Raises ConfigError where nobody owns what the app has."""
    owned = source.owned
    if not owned.prompt or not all([*owned.prompt, *owned.retrieval, *owned.policy]):
        raise made.fault("owners", f"nobody owns the prompts of app `{made.ref.name}`", "owners: [support-team]")
    if not owned.policy and any(one.guardrail for one in source.releases):
        right = "owners: {prompt: [support-team], policy: [security]}"
        raise made.fault("owners", f"app `{made.ref.name}` has a policy that nobody owns", right)


def unowned(workspace: Workspace) -> list[ConfigError]:
    """What nobody owns in a folder. An app that cannot be read is told of where it is compiled."""
    faults: list[ConfigError] = []
    for one in workspace.documents():
        try:
            if one.ref.kind == APP_KIND:
                check_app(one, msgspec.convert(one.content, AppSource))
            else:
                check_version(one)
        except ConfigError as error:
            faults.append(error)
        except msgspec.ValidationError:
            continue  # its place and what would be right are told by the compiler
    return faults
