"""The control plane of artifacts; in its first form a read-only loader of workspace folders."""

from headgate.registry.workspace import Workspace, load_workspace
from headgate.registry.yaml_tree import Tree, read_yaml

__all__ = ["Tree", "Workspace", "load_workspace", "read_yaml"]
