"""The way in from AWS: from SQS to RabbitMQ, each message deleted there only once it is confirmed here."""
