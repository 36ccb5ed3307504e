"""Functions as somebody wrote them, `handler(event, context)`: deployed as they are (PlainFunction in the catalog)."""
