// npm run check [-- NAME ...]: see checks/run-checks.mjs.
import './node-version.mjs';

void import('./checks/run-checks.mjs').then(({ runChecks }) => runChecks(process.argv.slice(2)));
