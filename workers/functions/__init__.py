"""What a function in AWS Lambda is made of: no Celery, and the database's library only for those who use it."""
