// npm test [-- jest's arguments]: installs and builds what is missing, then runs every test.
import './node-version.mjs';

void import('./tests/test-run.mjs').then(({ runTests }) => runTests(process.argv.slice(2)));
