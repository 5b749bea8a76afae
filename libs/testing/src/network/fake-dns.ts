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
