/** Says that a test needs what this machine lacks. The runner skips the test for it, or in a hook the whole suite. */
export class NotRunHere extends Error {
  override readonly name = 'NotRunHere';
}

/**
 * What to throw where `what` is missing: `why` says so, and what to install. What REQUIRE_SERVICES names may not be
 * missing, so there the test fails.
 */
export function notRunHere(what: string, why: string): Error {
  const required = (process.env.REQUIRE_SERVICES ?? '').split(',').includes(what);
  return required ? new Error(`REQUIRE_SERVICES names ${what}: ${why}`) : new NotRunHere(why);
}
