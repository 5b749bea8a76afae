// npm run check [-- NAME ...]: see checks.mjs.
import './node-version.mjs';

void import('./checks.mjs').then(({ runChecks }) => runChecks(process.argv.slice(2)));
