import { createSocket, type Socket as UdpSocket } from 'node:dgram';

const A = 1;
const AAAA = 28;

/** A DNS server whose answers depend on how often a name was asked for. */
export class FakeDns {
  readonly records = new Map<string, (asked: number) => string[]>();
  private readonly asked = new Map<string, number>();
  private readonly socket: UdpSocket = createSocket('udp4');

  async start(): Promise<string> {
    this.socket.on('message', (query, from) => {
      const answer = this.answer(query);
      if (answer) this.socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => this.socket.bind(0, '127.0.0.1', resolve));
    return `127.0.0.1:${this.socket.address().port}`;
  }

  stop(): void {
    this.socket.close();
  }

  private answer(query: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    while (query[at]) {
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
      at += 1 + query[at]!;
    }
    const type = query.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    const records = this.records.get(name);
    if (name === 'never-answers.test') return undefined;
    const count = this.asked.get(`${name} ${type}`) ?? 0;
    this.asked.set(`${name} ${type}`, count + 1);
    const wanted = (records?.(count) ?? []).filter((address) => address.includes(':') === (type === AAAA));
    const head = Buffer.from(query.subarray(0, at + 5));
    head.writeUInt16BE(records ? 0x8180 : 0x8183, 2);
    head.writeUInt16BE(wanted.length, 6);
    head.writeUInt16BE(0, 8);
    head.writeUInt16BE(0, 10);
    const answers = wanted.map((address) => {
      const data = type === A ? Buffer.from(address.split('.').map(Number)) : bytesOf(address);
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
      return Buffer.concat([record, data]);
    });
    return Buffer.concat([head, ...answers]);
  }
}

function bytesOf(address: string): Buffer {
  const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string) =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

const words = (text: string) => text.trim().split(/\s+/);

/** Addresses that no webhook may reach. */
export const V4 = words(`
  0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.254 100.64.0.1 100.127.255.254 100.100.100.200 127.0.0.1 127.0.0.2 127.1.2.3
  127.255.255.254 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
  192.168.0.1 192.168.255.254 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  168.63.129.16`);
export const V6 = words(`
  :: ::1 ::2 1::1 ff:ffff::1 ::7f00:1 ::a9fe:a9fe ::127.0.0.1 ::5efe:7f00:1 ::ffff:0:127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1
  ::ffff:a9fe:a9fe ::ffff:10.0.0.1 ::ffff:8.8.8.8 0:0:0:0:0:ffff:7f00:1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
  64:ff9b::10.0.0.1 64:ff9b::c0a8:1 64:ff9b::6440:1 64:ff9b:0:1::1 64:ff9b:1::1 64:ff9b:1::7f00:1 100::1 2001::1 2001:0:7f00:1::
  2001:1::3 2001:2::1 2001:10::1 2001:db8::1 2001:1ff:ffff::1 2002:7f00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 3fff:fff::1
  5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff::1 fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff00::1 ff02::1`);
/** Other ways to write 127.0.0.1, 169.254.169.254, 10.0.0.1 and localhost, all of which some parser takes. */
export const SPELLINGS = words(`
  127.1 127.0.1 2130706433 0x7f000001 0x7F.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0.0.01 017700000001 127.0.0.1. 127.0.0.0x1 00000177.0.0.1
  0x7f.1. 127.65535 127.00.00.01 １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.① %31%32%37.0.0.1 127%2e0%2e0%2e1 0 0x0 00
  169.254.43518 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 025177524776 169.16689662 10.1 167772161 0xa000001
  012.0.0.1 192.168.257 3232235777 [::ffff:127.0.0.1] [0000::1] [0:0:0:0:0:0:0:1] [::FFFF:7F00:0001] [::0:1] localhost LOCALHOST
  LocalHost. ⓛocalhost foo.localhost localhost。 ｌｏｃａｌｈｏｓｔ xn--localhost-.localhost`);
/** Texts that are no URL for a webhook at all. */
export const NOT_WEBHOOKS = [
  ...words(`
  ftp://example.com/ file:///etc/passwd gopher://127.0.0.1:6379/_INFO javascript:alert(1) data:text/plain,x ws://example.com/
  //example.com/ /hooks example.com/hooks http:example.com http:/example.com https:///example.com http:// http://?x https://#x
  http://user@example.com/ http://user:pass@example.com/ http://@example.com/ http://example.com@127.0.0.1/
  http://127.0.0.1:80@example.com/ http://127.0.0.1#@example.com/ http://example.com#@127.0.0.1/ http://example.com/# http://[::1
  http://[::1]x/ http://[fe80::1%25eth0]/ http://[127.0.0.1]/ http://256.256.256.256/ http://127.0.0.1.1/ http://0x100000000/
  http://example.com:0/ http://example.com:99999/ http://exa<mple.com/ http://%00/ http://%/ jar:http://127.0.0.1!/
  http+unix://%2Ftmp%2Fsocket/ unix:/var/run/docker.sock dict://127.0.0.1:11211/ ldap://127.0.0.1/ blob:http://127.0.0.1/x`),
  'http://example.com\\@127.0.0.1/',
  'http:\\\\127.0.0.1\\',
  ' http://example.com/',
  'http://example.com/ ',
  'http://exam\tple.com/',
  'http://example.com/\n',
  'http://example.com/\r\nHost: x',
  'http://ex\u0000ample.com/',
  'http://exa mple.com/',
  `http://a.test/${'x'.repeat(2_048)}`,
];
/** URLs that must not be refused. */
export const GOOD = words(`
  https://example.com/hooks http://example.com/ https://EXAMPLE.com:8443/a/b?c=d https://hooks.many.test/x https://bücher.test/h
  https://example.com./hooks https://a-b.c-d.test/ https://v6.test/ https://both.test:444/%20?q=%23 http://8.8.8.8/
  http://1.1.1.1:8080/x http://9.255.255.255/ http://11.0.0.1/ http://100.63.255.255/ http://100.128.0.1/ http://126.255.255.255/
  http://128.0.0.1/ http://169.253.255.255/ http://169.255.0.1/ http://172.15.255.255/ http://172.32.0.1/ http://192.0.1.1/
  http://192.0.3.1/ http://192.88.98.1/ http://192.167.255.255/ http://192.169.0.1/ http://198.17.255.255/ http://198.20.0.1/
  http://198.51.101.1/ http://203.0.112.1/ http://203.0.114.1/ http://223.255.255.255/ http://[2606:4700:4700::1111]/
  http://[2001:4860:4860::8888]/ http://[2001:1::1]/ http://[2001:1::2]/ http://[2001:3::1]/ http://[2001:4:112::1]/
  http://[2001:20::1]/ http://[2001:2f:ffff::1]/ http://[2001:200::1]/ http://[64:ff9b::8.8.8.8]/ http://[64:ff9b::808:808]/
  http://[2003::1]/ http://[3ffe::1]/ http://[2a00:1450::1]/`);
