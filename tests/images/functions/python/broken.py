raise RuntimeError("no init")
