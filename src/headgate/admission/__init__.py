"""Who may call, how much, and for how much money."""

from headgate.admission.credential import credential
from headgate.admission.desk import KeyDesk, NewKey
from headgate.admission.files import KeySource, load_pepper
from headgate.admission.handlers import handlers
from headgate.admission.keys import KeyRing, Peppered
from headgate.admission.ports import KeyStore, SpendSource
from headgate.admission.service import Admission, Reservation

__all__ = [
    "Admission",
    "KeyDesk",
    "KeyRing",
    "KeySource",
    "KeyStore",
    "NewKey",
    "Peppered",
    "Reservation",
    "SpendSource",
    "credential",
    "handlers",
    "load_pepper",
]
