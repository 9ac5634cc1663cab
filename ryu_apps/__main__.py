"""`python -m ryu_apps`: the controller."""

import sys

from ryu_apps.launcher import main

if __name__ == "__main__":
    sys.exit(main())
