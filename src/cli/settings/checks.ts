import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';

/** Units of time in ms. */
const MS = { '': 1_000, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/*
 * `number` in a check's meta data is what a settings file may hold as a number: the JSON Schema for editors takes it.
 */

/** A whole number between these two, both included. */
export const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'is not a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be between ${least} and ${most}`)
    .meta({ number: { type: 'integer', minimum: least, maximum: most } });
/** Seconds as text → milliseconds. */
export const seconds = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'is not a number of seconds')
  .transform((text) => Number(text) * 1_000)
  .refine((ms) => ms >= 100 && ms <= 86_400_000, 'must be between 0.1 and 86400 seconds')
  .meta({ number: { type: 'number', minimum: 0.1, maximum: 86_400 } });
/** A length of time as text, in seconds where it names no unit → milliseconds, between these two. */
export const duration = (leastMs: number, mostMs: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h)?$/, 'is not a length of time such as 500ms, 1s or 2m')
    .transform((text) => Math.round(Number.parseFloat(text) * MS[text.replace(/^[\d.]+/, '') as keyof typeof MS]))
    .refine((ms) => ms >= leastMs && ms <= mostMs, `must be between ${spelled(leastMs)} and ${spelled(mostMs)}`);
/** Percent as text, with or without its sign → a share of 1. */
export const percent = z
  .string()
  .regex(/^\d+(\.\d+)?%?$/, 'is not a percentage')
  .transform((text) => Number.parseFloat(text) / 100)
  .refine((share) => share <= 10, 'must be between 0 and 1000 percent')
  .meta({ number: { type: 'number', minimum: 0, maximum: 1_000 } });
/** Text that is not empty. */
export const filled = z.string().min(1, 'is empty');
/** A host name or an IP address, without a port. */
export const host = filled.refine(isHost, 'is not a host name or an IP address (ports have a flag of their own)');
/** An address of one of these protocols, each with its colon. */
export const address = (protocols: readonly string[]) =>
  z
    .string()
    .refine((text) => isAddress(text, protocols), `is not an address like ${protocols[0]}//host:port`)
    .refine(hasReadableLogin, 'holds a % in its user name or password that must be written as %25');
export const HTTP = ['http:', 'https:'];

function isAddress(text: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocols.includes(protocol) && hostname !== '';
}

/** Names as resolvers take them, with the underscore that container networks use; IPv6 also in brackets, never with a zone. */
function isHost(text: string): boolean {
  if (text.includes(':')) return isIPv6(text.replace(/^\[(.*)\]$/, '$1')) && !text.includes('%');
  return isIP(text) !== 0 || (text.length <= 253 && /^\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?$/.test(text));
}

function hasReadableLogin(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { username, password } = new URL(text);
  try {
    decodeURIComponent(username + password);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}

function spelled(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}
