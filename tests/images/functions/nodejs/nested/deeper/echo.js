'use strict';
// A handler below the top of the task.
exports.handler = require('../../cases').echo;
