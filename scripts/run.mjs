// npm run <tail|bench|faults|fuzz|replay|docs> -- ...: see launch.mjs.
import './node-version.mjs';

void import('./launch.mjs').then(({ launch }) => launch(process.argv.slice(2)));
