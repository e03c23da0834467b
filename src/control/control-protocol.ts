import type { LiveRun } from '../report/live-text.ts';

/** The version of what is said over a control socket. Another one is refused, never guessed at. */
export const PROTOCOL = 1;

/** A request is one line of JSON that is no longer than this, bytes. */
export const MOST_REQUEST = 4_096;
/** An answer is one line of JSON that is no longer than this, bytes. */
export const MOST_ANSWER = 65_536;

/** What can be asked of a run while it is under way. */
export type ControlAction =
  | { readonly do: 'status' }
  | { readonly do: 'pause' }
  | { readonly do: 'resume' }
  /** As `--rate` has it. */
  | { readonly do: 'rate'; readonly rate: string }
  | { readonly do: 'abort' };

export type ControlAnswer =
  /** `text`: what was done, for people. */
  | { readonly v: typeof PROTOCOL; readonly ok: true; readonly text: string; readonly status: LiveRun }
  | { readonly v: typeof PROTOCOL; readonly ok: false; readonly error: string };

const MOST_RATE_TEXT = 200;

/** Reads one request. A text in its place says what is wrong with it. */
export function parseRequest(line: string): ControlAction | string {
  const request = objectIn(line);
  if (request === undefined) return 'the request is not one line of a JSON object';
  if (request.v !== PROTOCOL) return `the request is of another version: this run speaks ${PROTOCOL}`;
  switch (request.do) {
    case 'status':
    case 'pause':
    case 'resume':
    case 'abort':
      return { do: request.do };
    case 'rate':
      if (typeof request.rate !== 'string' || request.rate.length > MOST_RATE_TEXT)
        return 'the rate is missing or too long';
      return { do: 'rate', rate: request.rate };
    default:
      return 'the request asks for nothing that a run does: status, pause, resume, rate or abort';
  }
}

/** Reads one answer; undefined where it is none of this version. */
export function parseAnswer(line: string): ControlAnswer | undefined {
  const answer = objectIn(line);
  if (answer?.v !== PROTOCOL) return undefined;
  if (answer.ok === false && typeof answer.error === 'string') return answer as unknown as ControlAnswer;
  const whole = answer.ok === true && typeof answer.text === 'string' && isStatus(answer.status);
  return whole ? (answer as unknown as ControlAnswer) : undefined;
}

function isStatus(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { run, throttle, stages } = value as Record<string, unknown>;
  return typeof run === 'string' && typeof throttle === 'object' && throttle !== null && Array.isArray(stages);
}

function objectIn(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
