/**
 * `node in-process.ts STORE RUNS`: runs `true` in the container "bench" so many times from one process, by the library,
 * and prints the time of all but the first in milliseconds.
 */
import { join } from 'node:path';
import { findContainer, open, run } from 'bld';

const [store = '', runs = '1'] = process.argv.slice(2);
using engine = await open({ root: join(store, 'root'), runroot: join(store, 'run') });
const container = findContainer(engine, 'bench');
const step = () => run(container, ['true'], { network: 'host' });

await step();
const began = performance.now();
for (let count = 0; count < Number(runs); count++) await step();
console.log((performance.now() - began).toFixed(3));
