"""The control plane of artifacts: versions, contracts, releases, channels, reviews, and the folders they come from."""

from headgate.registry.handlers import handlers
from headgate.registry.needs import completed, needed
from headgate.registry.offered import Offer, artifacts, offer
from headgate.registry.ownership import unowned
from headgate.registry.pins import default_channel
from headgate.registry.published import FORMAT as PUBLISHED_FORMAT
from headgate.registry.published import Document, Published, publish, workspace_of
from headgate.registry.resolve import exact, of_channel
from headgate.registry.resolve import parse as parse_address
from headgate.registry.reviews import TESTED
from headgate.registry.service import Outcome, Registry
from headgate.registry.workspace import APP_KIND, Workspace, load_workspace, read_documents
from headgate.registry.yaml_text import write_yaml
from headgate.registry.yaml_tree import Tree, read_yaml

__all__ = [
    "APP_KIND", "PUBLISHED_FORMAT", "TESTED", "Document", "Offer", "Outcome", "Published", "Registry", "Tree",
    "Workspace", "artifacts", "completed", "default_channel", "exact", "handlers", "load_workspace", "needed",
    "of_channel", "offer", "parse_address", "publish", "read_documents", "read_yaml", "unowned", "workspace_of",
    "write_yaml",
]  # fmt: skip
