"""`python -m cloudnet_sdn` is the command `cloudnet`."""

from cloudnet_sdn.cli import main

if __name__ == "__main__":
    main()
