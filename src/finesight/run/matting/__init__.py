"""Cutting out: alpha from a picture and a trimap, the colours that belong to it, and what can be made of both."""
