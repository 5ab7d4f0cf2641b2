const http = require('node:http');
const { userInfo } = require('node:os');

require('left-pad');
http.createServer((_, response) => response.end(`healthy, as ${userInfo().username}`)).listen(3000);
