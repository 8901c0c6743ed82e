"""`python -m alexnet` is `alexnet`."""

from alexnet.cli.app import main

main()
