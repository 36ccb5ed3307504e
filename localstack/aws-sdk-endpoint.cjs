// Makes aws-sdk 2 for Node, which ignores AWS_ENDPOINT_URL, heed it; the script that is run stays as it is:
//   AWS_ENDPOINT_URL=... NODE_OPTIONS="-r PATH/localstack/aws-sdk-endpoint.cjs" node producer.js
'use strict';

const { createRequire } = require('module');
const path = require('path');

const endpoint = process.env.AWS_ENDPOINT_URL;

if (endpoint) {
  try {
    // The script's own copy: what it requires or imports afterwards is this one.
    createRequire(path.resolve(process.argv[1] || 'x'))('aws-sdk').config.update({ endpoint });
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error; // a program without aws-sdk, as npm is
  }
}
