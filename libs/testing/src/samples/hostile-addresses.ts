/** The parts of a text that white space separates. */
export const words = (text: string) => text.trim().split(/\s+/);

/** Addresses that are not on the public internet: none that a caller chooses may be reached. */
export const INSIDE_V4 = words(`
  0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.254 100.64.0.1 100.127.255.254 100.100.100.200 127.0.0.1 127.0.0.2 127.1.2.3
  127.255.255.254 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
  192.168.0.1 192.168.255.254 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  168.63.129.16`);
export const INSIDE_V6 = words(`
  :: ::1 ::2 1::1 ff:ffff::1 ::7f00:1 ::a9fe:a9fe ::127.0.0.1 ::5efe:7f00:1 ::ffff:0:127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1
  ::ffff:a9fe:a9fe ::ffff:10.0.0.1 ::ffff:8.8.8.8 0:0:0:0:0:ffff:7f00:1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
  64:ff9b::10.0.0.1 64:ff9b::c0a8:1 64:ff9b::6440:1 64:ff9b:0:1::1 64:ff9b:1::1 64:ff9b:1::7f00:1 100::1 2001::1 2001:0:7f00:1::
  2001:1::3 2001:2::1 2001:10::1 2001:db8::1 2001:1ff:ffff::1 2002:7f00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 3fff:fff::1
  5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff::1 fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff00::1 ff02::1`);
/** Other ways to write 127.0.0.1, 169.254.169.254, 10.0.0.1 and localhost, all of which some parser takes. */
export const INSIDE_SPELLINGS = words(`
  127.1 127.0.1 2130706433 0x7f000001 0x7F.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0.0.01 017700000001 127.0.0.1. 127.0.0.0x1 00000177.0.0.1
  0x7f.1. 127.65535 127.00.00.01 １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.① %31%32%37.0.0.1 127%2e0%2e0%2e1 0 0x0 00
  169.254.43518 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 025177524776 169.16689662 10.1 167772161 0xa000001
  012.0.0.1 192.168.257 3232235777 [::ffff:127.0.0.1] [0000::1] [0:0:0:0:0:0:0:1] [::FFFF:7F00:0001] [::0:1] localhost LOCALHOST
  LocalHost. ⓛocalhost foo.localhost localhost。 ｌｏｃａｌｈｏｓｔ xn--localhost-.localhost`);
