/** Runs in the browser: see the file itself. */
export function faultsHere(): readonly string[];
