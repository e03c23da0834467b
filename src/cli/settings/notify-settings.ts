import { z } from 'zod';
import { address, HTTP, seconds } from './checks.ts';

const CHANNELS = ['webhook', 'slack', 'pagerduty', 'mail'] as const;
const OCCASIONS = ['start', 'finish', 'failure', 'rollback'] as const;

/** Some of these words, with commas between → a list without repeats. */
const someOf = <const Word extends string>(words: readonly Word[]) =>
  z
    .string()
    .transform((text) => [...new Set(text.split(',').map((word) => word.trim()))] as Word[])
    .refine(
      (given) => given.every((word) => words.includes(word)),
      `must be one of ${words.join(', ')}, or several with commas between`,
    );

/** Mail addresses without names: nothing of them could end a header. */
const addresses = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .refine((given) => given.every(isMailAddress), 'is not a mail address, nor several with commas between');

/** What the settings of this group must be. */
export const notifyShape = {
  notify: someOf(CHANNELS).optional(),
  'notify-on': someOf(OCCASIONS),
  'notify-timeout': seconds,
  'pagerduty-url': address(HTTP),
  'mail-to': addresses.optional(),
  'mail-from': z.string().refine(isMailAddress, 'is not a mail address').optional(),
};

function isMailAddress(text: string): boolean {
  return text.length <= 254 && /^[^\s@<>()[\]\\,;:"\p{Cc}]+@[^\s@<>()[\]\\,;:"\p{Cc}]+$/u.test(text);
}
