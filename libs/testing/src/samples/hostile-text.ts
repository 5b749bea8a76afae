/** Parts of a hostile or broken page; each is repeated up to the largest text that a reader accepts. */
export const HOSTILE_TOKENS: readonly string[] = [
  '<script',
  '<script ',
  '<script id="SIGI_STATE"',
  '<script id=',
  'id="SIGI_STATE"',
  '</script>',
  '"roomId":"',
  '{"roomId":"1","a":',
  '"status_code":',
  'ttwid=',
  'ttwid=a; ',
  'Chrome/1',
  'Timeout ',
  'net::ERR_',
  'https://',
  '"',
  "'",
  ' ',
  '\n',
  '{',
  '[',
  '(',
  '<',
  '>',
  '\\',
  '\\"',
  ';',
  '; ',
  '=',
  '/',
  '@',
  '%',
  '%40',
  '.',
  ',',
  '-',
  '0',
  'a',
  '\x0a',
  '\x0b',
  '\x0a\x00',
  '\x00',
  '\xff',
];

/** Every text of this length that repeats one of {@link HOSTILE_TOKENS} behind one of `before`, with what it consists of. */
export function* hostileTexts(length: number, before: readonly string[] = ['']): Generator<{ what: string; text: string }> {
  for (const first of before) {
    for (const token of HOSTILE_TOKENS) {
      const text = (first + token.repeat(Math.ceil(length / token.length))).slice(0, length);
      yield { what: `${JSON.stringify(first)} and then ${JSON.stringify(token)}`, text };
    }
  }
}

/** The text that takes a reader the most CPU time, and that time in ms. What other processes take does not count. */
export function slowest(read: (text: string) => unknown, texts: Iterable<{ what: string; text: string }>): { text: string; cpuMs: number } {
  let worst = { text: '', cpuMs: 0 };
  for (const { what, text } of texts) {
    const before = process.cpuUsage();
    read(text);
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1_000;
    if (cpuMs > worst.cpuMs) worst = { text: what, cpuMs };
  }
  return worst;
}
