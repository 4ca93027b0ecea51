"""What is said of an image and signed: its digest, what it is made of, how it was made, and how it was found.

Statements and signatures are in the forms of cosign 2 and 3, so that either reads what is written here. The same
inputs and the same key give the same bytes, and writing them again adds nothing.
"""
