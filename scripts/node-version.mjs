// Imported first by every command. Written for any Node that knows ES modules: what it guards may not even parse there.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Tributary needs Node 20.19 or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}
if (process.platform === 'win32') {
  process.stderr.write('Tributary runs on Linux and macOS; on Windows use it inside WSL.\n');
  process.exit(1);
}
