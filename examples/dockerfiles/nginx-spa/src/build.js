const { mkdirSync, writeFileSync } = require('node:fs');

mkdirSync('build/assets', { recursive: true });
writeFileSync('build/index.html', '<h1>one page</h1>\n');
writeFileSync('build/assets/style.css', 'h1 { color: teal }\n', { mode: 0o600 });
