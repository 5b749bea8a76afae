import { describe, expect, it } from '@jest/globals';
import { agentOverride } from './user-agent.js';

describe('agentOverride', () => {
  it('gives Chrome the brands and the platform that its user agent names', () => {
    const agent =
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.58 Safari/537.36';
    expect(agentOverride(agent, 'en-DE', 'MacIntel')).toEqual({
      userAgent: agent,
      acceptLanguage: 'en-DE,en;q=0.9',
      platform: 'MacIntel',
      userAgentMetadata: expect.objectContaining({
        brands: expect.arrayContaining([{ brand: 'Chromium', version: '130' }]),
        fullVersion: '130.0.6723.58',
        platform: 'macOS',
        mobile: false,
      }),
    });
  });

  it.each([
    ['Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36', 'Android', true],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36', 'Linux', false],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36', 'Windows', false],
  ])('reads the platform of %.60s', (agent, platform, mobile) => {
    expect(agentOverride(agent, 'en-DE', 'x').userAgentMetadata).toMatchObject({ platform, mobile });
  });

  it('gives agents that are not Chrome no such metadata, as they have none', () => {
    expect(agentOverride('Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', 'en-DE', 'x')).not.toHaveProperty(
      'userAgentMetadata',
    );
  });
});
