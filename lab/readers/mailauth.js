// mailauth's parser as a reader: a JSON string with a field's value in, what it made of it out, line by line.
'use strict';
const path = require('path');
const parse = require(path.join(process.argv[2], 'mailauth', 'lib', 'parse-dkim-headers.js'));

require('readline')
    .createInterface({ input: process.stdin })
    .on('line', line => console.log(JSON.stringify(parse('Authentication-Results:' + JSON.parse(line)).parsed)));
