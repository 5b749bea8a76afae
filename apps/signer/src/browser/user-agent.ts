/** What Chromium says about itself beside its user agent, made to agree with it. */
export interface AgentOverride {
  userAgent: string;
  acceptLanguage: string;
  platform: string;
  userAgentMetadata?: {
    brands: { brand: string; version: string }[];
    fullVersion: string;
    platform: string;
    platformVersion: string;
    architecture: string;
    model: string;
    mobile: boolean;
  };
}

/**
 * Override for a tab that stands for a client of this user agent: a page that says Chrome 129 on Windows in one header and
 * something else in another gets nothing. Agents other than Chrome have no such metadata, as in life.
 */
export function agentOverride(userAgent: string, languageTag: string, platform: string): AgentOverride {
  const acceptLanguage = `${languageTag},${languageTag.split('-', 1)[0]};q=0.9`;
  const [, fullVersion, major] = /Chrome\/((\d+)[\d.]*)/.exec(userAgent) ?? [];
  if (fullVersion === undefined || major === undefined) return { userAgent, acceptLanguage, platform };
  const mobile = /Mobile/.test(userAgent);
  const system = platformName(userAgent);
  return {
    userAgent,
    acceptLanguage,
    platform,
    userAgentMetadata: {
      brands: [
        { brand: 'Chromium', version: major },
        { brand: 'Google Chrome', version: major },
        { brand: 'Not?A_Brand', version: '24' },
      ],
      fullVersion,
      platform: system,
      platformVersion: system === 'Windows' ? '10.0.0' : '',
      architecture: mobile ? '' : 'x86',
      model: '',
      mobile,
    },
  };
}

function platformName(userAgent: string): string {
  if (userAgent.includes('Android')) return 'Android';
  if (userAgent.includes('Mac OS X')) return 'macOS';
  return userAgent.includes('Linux') ? 'Linux' : 'Windows';
}
