import { MigrateError } from '../../model/errors.ts';

/** The server's refusal where this user may not do it. */
export function refusalOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => {
      // Without the address that stands before it, which the problem names itself.
      if (error instanceof MigrateError && error.code === 'denied') return error.message.replace(/^.*?: /, '');
      throw error;
    },
  );
}
