/** Client hints of Chromium that agree with its user agent. */
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
 * Override for a tab that is used for a client with this user agent. TikTok answers nothing when two headers disagree about
 * browser or system. User agents other than Chrome get no such metadata, since those browsers send none.
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
