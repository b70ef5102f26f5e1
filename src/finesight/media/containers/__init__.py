"""The file formats as boxes: where metadata lies in them, read and put in without touching the pixels."""
