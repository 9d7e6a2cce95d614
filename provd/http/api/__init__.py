"""The REST interface below ``/api/v1``: routes, their access classes, and the documents made from them."""
