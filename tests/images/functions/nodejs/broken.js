'use strict';
throw new Error('no init');
