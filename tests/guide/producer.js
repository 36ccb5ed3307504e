const AWS = require('aws-sdk');
const sns = new AWS.SNS({ region: 'us-east-1' });

const message = {
  eventType: 'USER_SIGNUP',
  userId: '12345',
};

const params = {
  Message: JSON.stringify(message),
  TopicArn: 'arn:aws:sns:us-east-1:123456789012:MyTopic',
};

sns.publish(params, (err, data) => {
  if (err) console.error('Error publishing message:', err);
  else console.log('Message published:', data.MessageId);
});
