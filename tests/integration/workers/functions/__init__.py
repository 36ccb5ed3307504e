"""Functions as Lambda calls them, with LocalStack in AWS's place."""
