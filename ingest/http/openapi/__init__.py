"""The description of the routes in OpenAPI 3.1."""
