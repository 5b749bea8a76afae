// npm start [-- @name ...]: see stack/main.mjs.
import './node-version.mjs';

void import('./stack/main.mjs').then(({ main }) => main(process.argv.slice(2)));
