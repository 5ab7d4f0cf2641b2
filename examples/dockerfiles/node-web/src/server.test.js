const { test } = require('node:test');

test('the packages are there', () => void require('left-pad'));
