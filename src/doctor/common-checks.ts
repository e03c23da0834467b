import type { Check, CheckLevel, DoctorArea } from '../report/doctor-report.ts';

/** From here on a round trip is told as slow, ms. */
const SLOW_MS = 100;
/** From here on it is rather a tunnel than a network of one's own, ms. */
const FAR_MS = 20;
/** Clocks that differ by less do no harm, ms. */
const SKEW_MS = 5_000;

/** One line, with what to do where it is not well. */
export function check(area: DoctorArea, name: string, level: CheckLevel, text: string, fix?: string): Check {
  return { area, name, level, text, ...(fix === undefined ? {} : { fix }) };
}

/** The median of a few round trips, with what that means for a move. */
export function latencyCheck(area: DoctorArea, pingsMs: readonly number[]): Check {
  const ms = median(pingsMs);
  const text = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms (median of ${pingsMs.length})`;
  if (ms < FAR_MS) return check(area, 'latency', 'ok', text);
  const far = `${text}: a tunnel or a far server`;
  if (ms < SLOW_MS) return check(area, 'latency', 'ok', `${far}; each batch costs a round trip`);
  return check(
    area,
    'latency',
    'warning',
    far,
    'the move takes longer: run it nearer to the server (MIGRATION.md, "On the server")',
  );
}

/** How far the server's clock is from this machine's. `toleranceMs`: how exactly that was read. */
export function clockCheck(area: DoctorArea, skewMs: number | undefined, toleranceMs = 0): readonly Check[] {
  if (skewMs === undefined) return [];
  const exact = Math.abs(skewMs) > toleranceMs + 50;
  const text = exact
    ? `${(Math.abs(skewMs) / 1_000).toFixed(1)} s ${skewMs < 0 ? 'behind' : 'ahead of'} this machine’s`
    : `as this machine’s${toleranceMs === 0 ? '' : ', to the second'}`;
  if (Math.abs(skewMs) <= SKEW_MS + toleranceMs) return [check(area, 'clock', 'ok', text)];
  const fix =
    'set both by NTP: ages of plans, locks and backups are told by this machine’s clock, expiries by the server’s';
  return [check(area, 'clock', 'warning', text, fix)];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** `7.0.15` → [7, 0]. */
export function majorMinor(version: string): readonly [number, number] {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return [major, minor];
}

/** Names, a few of them. */
export function some(names: readonly string[], most = 5): string {
  const more = names.length > most ? ` and ${names.length - most} more` : '';
  return `${names.slice(0, most).join(', ')}${more}`;
}

export function mebibytes(bytes: number): string {
  return bytes < 1 << 30 ? `${Math.round(bytes / (1 << 20))} MiB` : `${(bytes / (1 << 30)).toFixed(1)} GiB`;
}
