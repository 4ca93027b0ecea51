"""`python -m imagemill`."""

from imagemill.cli import main

main()
