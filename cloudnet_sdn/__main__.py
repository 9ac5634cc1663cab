"""`python -m cloudnet_sdn` is the command `cloudnet`."""

import sys

from cloudnet_sdn.cli import main

if __name__ == "__main__":
    sys.exit(main())
