// Makes aws-sdk 2 for Node, which ignores AWS_ENDPOINT_URL, heed it: NODE_OPTIONS="-r PATH/localstack/aws-sdk-endpoint.cjs".
// The script that is run stays as it is.
'use strict';

const Module = require('module');

const endpoint = process.env.AWS_ENDPOINT_URL;
const load = Module._load;
const PACKAGE = /(^|[\\/]node_modules[\\/])aws-sdk([\\/]|$)/;
let pointed = false;

Module._load = function (request, parent, isMain) {
  const loaded = load.apply(this, arguments);
  // Its parts load each other while it is loaded itself: only from outside is it whole.
  const fromOutside = !PACKAGE.test(String(parent && parent.filename));
  if (endpoint && !pointed && fromOutside && PACKAGE.test(request)) {
    pointed = true;
    load.call(this, 'aws-sdk/global', parent, false).config.update({ endpoint });
  }
  return loaded;
};
