"""Who may call, how much, and for how much money."""

from headgate.admission.allowance import Allowance
from headgate.admission.credential import basic_password, credential
from headgate.admission.desk import KeyDesk, NewKey
from headgate.admission.files import KeySource, load_pepper
from headgate.admission.handlers import handlers
from headgate.admission.keys import KeyRing, Peppered
from headgate.admission.ledger import SharedLedger
from headgate.admission.limit_handlers import limit_handlers
from headgate.admission.limitdesk import LimitDesk
from headgate.admission.ports import KeyStore, Ledger, SpendSource
from headgate.admission.service import Admission, Reservation
from headgate.admission.whoami import whoami_handlers

__all__ = [
    "Admission",
    "Allowance",
    "KeyDesk",
    "KeyRing",
    "KeySource",
    "KeyStore",
    "Ledger",
    "LimitDesk",
    "NewKey",
    "Peppered",
    "Reservation",
    "SharedLedger",
    "SpendSource",
    "basic_password",
    "credential",
    "handlers",
    "limit_handlers",
    "load_pepper",
    "whoami_handlers",
]
