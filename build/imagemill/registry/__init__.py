"""Repositories of OCI registries: reading, writing, and pushing whole images by digest."""
