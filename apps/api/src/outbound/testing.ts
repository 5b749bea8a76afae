import { words } from '@tributary/testing';

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
