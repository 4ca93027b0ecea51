"""imagemill: an image factory for AWS-Lambda-style runtime images."""

__version__ = "0.1.0"
