"""`python -m headgate.cli`."""

from __future__ import annotations

import sys

from headgate.cli.main import main

sys.exit(main())
