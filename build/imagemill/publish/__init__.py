"""From artifacts in dist to tags in registries: what may be published, under which names, in which order."""
