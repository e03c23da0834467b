import { ENV_PREFIX, SECRETS } from './flags.ts';

const OWN: ReadonlySet<string> = new Set(SECRETS.flatMap((name) => [name, `${name}_FILE`]));

/** What a program that is started may see: what the shell has, but neither our secrets nor settings that may hold one. */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(ENV_PREFIX) && !OWN.has(name)));
}
